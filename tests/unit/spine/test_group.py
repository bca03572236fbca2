"""Group commit: what arrives together is written together, and each gets its own outcome."""

import asyncio
from collections.abc import Sequence
from typing import cast

import asyncpg
import pytest

from libs.errors import AppError, Kind
from libs.spine.group import GroupCommit
from libs.tenancy import Route, ShardId, TenantId


class Refused(AppError):
    kind, reason = Kind.CONFLICT, "REFUSED"


class Writer:
    """Writes when told to; remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[tuple[TenantId, list[int]]] = []
        self.settled: list[int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def run(self, route: Route, commands: Sequence[int]) -> list[int | AppError]:
        await self.open.wait()
        self.groups.append((route.tenant, list(commands)))
        if 666 in commands:
            raise ConnectionError
        return [Refused("odd") if command % 2 else command * 10 for command in commands]

    async def settle(self, route: Route, results: Sequence[int]) -> None:
        self.settled += results


def route_of(tenant: str) -> Route:
    return Route(TenantId(tenant), ShardId("s"), 1, cast(asyncpg.Pool, None))


@pytest.fixture
def writer() -> Writer:
    return Writer()


async def test_commands_that_wait_share_a_group(writer: Writer) -> None:
    group, route = GroupCommit(writer.run, writer.settle, limit=3), route_of("a")
    writer.open.clear()
    first = asyncio.create_task(group.submit(route, 0))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(group.submit(route, command)) for command in (2, 4, 6, 8)]
    await asyncio.sleep(0)
    writer.open.set()

    assert await asyncio.gather(first, *rest) == [0, 20, 40, 60, 80]
    assert [commands for _, commands in writer.groups] == [[0], [2, 4, 6], [8]]
    assert writer.settled == [0, 20, 40, 60, 80]


async def test_heavy_commands_fill_a_group_sooner(writer: Writer) -> None:
    group = GroupCommit(writer.run, weigh=lambda command: command, limit=10)
    route = route_of("a")
    writer.open.clear()
    tasks = [asyncio.create_task(group.submit(route, each)) for each in (2, 4, 6, 2, 40, 8)]
    await asyncio.sleep(0)
    writer.open.set()
    await asyncio.gather(*tasks)

    assert [commands for _, commands in writer.groups] == [[2, 4], [6, 2], [40], [8]]


async def test_tenants_do_not_wait_for_each_other(writer: Writer) -> None:
    group = GroupCommit(writer.run)

    await asyncio.gather(group.submit(route_of("a"), 2), group.submit(route_of("b"), 4))

    assert dict(writer.groups) == {"a": [2], "b": [4]}


async def test_a_refused_command_does_not_harm_its_group(writer: Writer) -> None:
    group, route = GroupCommit(writer.run, writer.settle), route_of("a")

    outcomes = await asyncio.gather(
        *(group.submit(route, command) for command in (2, 3, 4)), return_exceptions=True
    )

    assert outcomes[::2] == [20, 40]
    assert isinstance(outcomes[1], Refused)
    assert writer.settled == [20, 40]


async def test_a_group_that_fails_fails_for_all_of_it_and_the_next_goes_on(writer: Writer) -> None:
    group, route = GroupCommit(writer.run), route_of("a")
    failed = await asyncio.gather(
        group.submit(route, 666), group.submit(route, 2), return_exceptions=True
    )

    assert [type(each) for each in failed] == [ConnectionError, ConnectionError]
    assert await group.submit(route, 2) == 20


async def test_a_new_placement_starts_a_new_group(writer: Writer) -> None:
    group = GroupCommit(writer.run)
    old, new = route_of("a"), route_of("a")

    await asyncio.gather(*(group.submit(route, 2) for route in (old, old, new, new)))

    assert [len(commands) for _, commands in writer.groups] == [2, 2]


async def test_a_command_whose_caller_left_before_its_turn_is_not_written(writer: Writer) -> None:
    group, route = GroupCommit(writer.run), route_of("a")
    writer.open.clear()
    first = asyncio.create_task(group.submit(route, 2))
    gone = asyncio.create_task(group.submit(route, 4))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    last = asyncio.create_task(group.submit(route, 6))
    await asyncio.sleep(0)
    writer.open.set()

    assert list(await asyncio.gather(first, last)) == [20, 60]
    assert 4 not in [command for _, commands in writer.groups[1:] for command in commands]


async def test_a_group_that_all_have_left_holds_up_nobody() -> None:
    begun = asyncio.Event()

    async def run(route: Route, commands: Sequence[int]) -> Sequence[int]:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()  # on a server that fell silent
        return commands

    group = GroupCommit(run)
    gone = asyncio.create_task(group.submit(route_of("a"), 1))
    await begun.wait()
    gone.cancel()

    assert await group.submit(route_of("a"), 2) == 2


async def test_what_is_committed_is_answered_though_settling_fails(writer: Writer) -> None:
    async def fail(route: Route, results: Sequence[int]) -> None:
        raise ConnectionError

    assert await GroupCommit(writer.run, fail).submit(route_of("a"), 2) == 20


async def test_closing_waits_for_what_was_submitted(writer: Writer) -> None:
    group = GroupCommit(writer.run, writer.settle)
    task = asyncio.create_task(group.submit(route_of("a"), 2))
    await asyncio.sleep(0)

    await group.close()

    assert writer.settled == [20]
    assert await task == 20
