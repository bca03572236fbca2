"""Workers and the operations they share: each is done once, by whoever is there, whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from libs.aip.ids import Uuid7
from libs.changes import Asked, Origin
from libs.errors import AppError, Kind
from libs.operations import (
    Fields,
    Handler,
    LeaseLost,
    Operation,
    OperationCancelled,
    OperationUnderWay,
    Progress,
    State,
    worker,
)
from libs.operations.store import Operations
from libs.spine.changes import changes_since
from libs.tenancy import Route, TenantSuspended
from libs.wakeups import Wakeups
from tests.databases import Database
from tests.eventually import eventually
from tests.integration.operations.conftest import Working

SHORT = timedelta(milliseconds=600)  # a lease: who is silent for so long is thought dead
LONGER = timedelta(seconds=2)  # for those who must not lose it on a busy machine
ASKED = Asked(Origin("ann"), None)


class Flaky(AppError):
    """May pass."""

    kind, reason = Kind.UNAVAILABLE, "FLAKY"


class Hopeless(AppError):
    """Does not."""

    kind, reason = Kind.INVALID, "HOPELESS"

    def __init__(self) -> None:
        super().__init__("This never works.", number="7")


class Counting:
    """A step that counts to ten; `before` is run in each, knowing how far it is."""

    def __init__(self, before: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.seen: list[int] = []
        self.before = before

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        self.seen.append(progress.done)
        if self.before:
            await self.before(progress.done)
        done = progress.done + 1
        cursor = {"next": done, "by": parameters.get("by", "")}
        return Progress(done, 10, done == 10, cursor, {"counted": done})


def counting(step: Any, kind: str = "Count") -> Handler:
    return Handler(kind, Struct, step)


async def ended(operations: Operations, route: Route, begun: Operation) -> Operation:
    async def has_ended() -> bool:
        return (await operations.get(route, begun.id)).state.final

    await eventually(has_ended)
    return await operations.get(route, begun.id)


async def until_done(operations: Operations, route: Route, begun: Operation, done: int) -> None:
    async def has_come_so_far() -> bool:
        return (await operations.get(route, begun.id)).progress.done >= done

    await eventually(has_come_so_far)


async def test_an_operation_is_done_step_by_step(
    operations: Operations, working: Working, route: Route
) -> None:
    step = Counting()
    begun = await operations.begin(route, ASKED, "Count", {"by": "ones"})
    assert (begun.state, begun.progress, begun.actor) == (State.PENDING, Progress(), "ann")

    async with working(operations, counting(step)):
        operation = await ended(operations, route, begun)

    assert step.seen == list(range(10))
    assert operation.state is State.SUCCEEDED
    assert operation.progress == Progress(10, 10, True, {"next": 10, "by": "ones"}, {"counted": 10})
    assert operation.started_at
    assert operation.ended_at
    changes, _ = await changes_since(route, 0, 10)
    name = f"operations/{begun.id}"
    assert [(each.resource, each.operation) for each in changes] == [
        (name, "created"),
        (name, "updated"),
    ]


async def test_operations_go_on_while_another_shard_is_away(
    operations: Operations, working: Working, route: Route, database: Database
) -> None:
    async with database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO control.shard (id, dsn) VALUES ('away', 'postgresql://127.0.0.1:1/away')"
        )
    begun = await operations.begin(route, ASKED, "Count", {})

    async with working(operations, counting(Counting())):
        assert (await ended(operations, route, begun)).state is State.SUCCEEDED


async def test_several_replicas_do_each_operation_once(
    operations: Operations, working: Working, new_route: Callable[[str], Any]
) -> None:
    routes = [await new_route(f"t{number}") for number in range(6)]
    begun = [await operations.begin(route, ASKED, "Count", {}) for route in routes]
    steps = [Counting() for _ in range(3)]

    async with AsyncExitStack() as stack:
        for step in steps:
            await stack.enter_async_context(working(operations, counting(step)))
        for route, each in zip(routes, begun, strict=True):
            await ended(operations, route, each)

    assert sorted(chain(*(step.seen for step in steps))) == sorted([*range(10)] * 6)


async def test_long_operations_do_not_hold_up_those_of_others(
    operations: Operations,
    working: Working,
    new_route: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "_TURN", 0.1)
    endless = [await new_route(f"endless{number}") for number in range(2)]

    async def step(route: Route, parameters: Fields, progress: Progress) -> Progress:
        await asyncio.sleep(0.01)
        brief = not route.tenant.startswith("endless")
        return Progress(progress.done + 1, 0, brief, {}, {})

    begun = [await operations.begin(each, ASKED, "Count", {}) for each in endless]
    async with working(operations, counting(step)):
        for route, each in zip(endless, begun, strict=True):
            await until_done(operations, route, each, 1)
        other = await new_route("other")
        brief = await operations.begin(other, ASKED, "Count", {})

        assert (await ended(operations, other, brief)).state is State.SUCCEEDED
        for route, each in zip(endless, begun, strict=True):
            done = (await operations.get(route, each.id)).progress.done
            await until_done(operations, route, each, done + 1)


async def test_what_a_stopped_worker_had_is_gone_on_with_at_once(
    operations: Operations, working: Working, route: Route
) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(done: int) -> None:
        if done == 4:
            reached.set()
            await never.wait()

    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(Counting(hang))):
        await reached.wait()

    step = Counting()
    async with working(operations, counting(step)):
        operation = await ended(operations, route, begun)

    assert step.seen == list(range(4, 10))
    assert (operation.state, operation.failures) == (State.SUCCEEDED, 0)


async def test_what_a_dead_worker_had_is_gone_on_with_when_its_lease_ends(
    operations: Operations, working: Working, route: Route
) -> None:
    operations = replace(operations, lease=LONGER)
    begun = await operations.begin(route, ASKED, "Count", {})
    dead = await operations.claim(route, ["Count"])
    assert dead
    await operations.advance(dead, Progress(3, 10, cursor={"next": 3}))
    assert await operations.claim(route, ["Count"]) is None

    step = Counting()
    async with working(operations, counting(step)):
        await ended(operations, route, begun)

    assert step.seen == list(range(3, 10))
    for late in (
        operations.renew(dead),
        operations.advance(dead, Progress(4, 10)),
        operations.end(dead, State.FAILED, Progress(4, 10)),
        operations.put_back(dead, timedelta(0), failed=True),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert (await operations.get(route, begun.id)).progress.done == 10


async def test_a_slow_step_keeps_its_lease(
    operations: Operations, working: Working, route: Route
) -> None:
    operations = replace(operations, lease=LONGER)
    begun = await operations.begin(route, ASKED, "Count", {})

    async def outlive_the_lease(done: int) -> None:
        async def has_outlived_it() -> bool:
            now = await operations.get(route, begun.id)
            return now.updated_at - (now.started_at or now.updated_at) > 1.5 * LONGER

        if done == 0:
            await eventually(has_outlived_it)

    steps = [Counting(outlive_the_lease) for _ in range(2)]
    async with (
        working(operations, counting(steps[0])),
        working(operations, counting(steps[1])),
    ):
        await ended(operations, route, begun)

    assert sorted(chain(*(step.seen for step in steps))) == list(range(10))


async def test_a_failure_that_may_pass_is_tried_again(
    operations: Operations, working: Working, route: Route
) -> None:
    failed: list[int] = []

    async def fail_once(done: int) -> None:
        if done == 5 and not failed:
            failed.append(done)
            raise Flaky("away")

    step = Counting(fail_once)
    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(step)):
        operation = await ended(operations, route, begun)

    assert step.seen == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert (operation.state, operation.failures) == (State.SUCCEEDED, 0)


async def test_failures_are_counted_and_waited_for(
    operations: Operations, working: Working, route: Route
) -> None:
    async def fail(done: int) -> None:
        raise Flaky("away")

    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(Counting(fail))):

        async def has_failed() -> bool:
            operation = await operations.get(route, begun.id)
            return operation.failures == 1 and operation.state is State.PENDING

        await eventually(has_failed)
        assert await operations.claim(route, ["Count"]) is None


async def test_any_other_failure_ends_it_and_is_told(
    operations: Operations, working: Working, route: Route
) -> None:
    async def fail(done: int) -> None:
        if done == 2:
            raise Hopeless

    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(Counting(fail))):
        operation = await ended(operations, route, begun)

    assert (operation.state, operation.progress.done) == (State.FAILED, 2)
    assert operation.error
    assert (operation.error["code"], operation.error["message"]) == (3, "This never works.")
    assert operation.error["details"][0]["reason"] == "HOPELESS"
    assert operation.error["details"][0]["metadata"] == {"number": "7"}


async def test_a_bug_ends_it_and_tells_nothing(
    operations: Operations, working: Working, route: Route
) -> None:
    async def fail(done: int) -> None:
        raise ZeroDivisionError("a secret")

    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(Counting(fail))):
        operation = await ended(operations, route, begun)

    assert operation.state is State.FAILED
    assert operation.error
    assert (operation.error["code"], operation.error["message"]) == (13, "Internal error.")
    assert "secret" not in str(operation.error)


async def test_a_cancelled_operation_stops_within_a_step(
    operations: Operations, working: Working, route: Route
) -> None:
    operations, never = replace(operations, lease=LONGER), asyncio.Event()

    async def hang(done: int) -> None:
        if done == 3:
            await never.wait()

    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(Counting(hang))):
        await until_done(operations, route, begun, 3)
        await operations.cancel(route, Origin("bob"), begun.id)
        operation = await ended(operations, route, begun)

    assert (operation.state, operation.progress.done) == (State.CANCELLED, 3)
    assert operation.error
    assert operation.error["code"] == 1


async def test_one_that_waits_can_be_cancelled_too(
    operations: Operations, working: Working, route: Route
) -> None:
    begun = await operations.begin(route, ASKED, "Count", {})
    await operations.cancel(route, Origin("bob"), begun.id)

    step = Counting()
    async with working(operations, counting(step)):
        operation = await ended(operations, route, begun)

    assert operation.state is State.CANCELLED
    assert operation.progress == Progress()


async def test_a_claim_that_is_to_stop_says_so(operations: Operations, route: Route) -> None:
    begun = await operations.begin(route, ASKED, "Count", {})
    claim = await operations.claim(route, ["Count"])
    assert claim
    await operations.cancel(route, Origin("bob"), begun.id)

    with pytest.raises(OperationCancelled):
        await operations.advance(claim, Progress(1, 10))

    assert (await operations.get(route, begun.id)).progress.done == 1


async def test_a_tenant_has_one_operation_of_a_kind_at_a_time(
    operations: Operations, working: Working, route: Route
) -> None:
    begun = await operations.begin(route, ASKED, "Count", {})
    with pytest.raises(OperationUnderWay):
        await operations.begin(route, ASKED, "Count", {})
    await operations.begin(route, ASKED, "Other", {})

    async with working(operations, counting(Counting())):
        await ended(operations, route, begun)
    await operations.begin(route, ASKED, "Count", {})


async def test_a_worker_leaves_alone_what_it_does_not_know(
    operations: Operations, working: Working, route: Route
) -> None:
    other = await operations.begin(route, ASKED, "Other", {})
    begun = await operations.begin(route, ASKED, "Count", {})

    async with working(operations, counting(Counting())):
        await ended(operations, route, begun)

    assert (await operations.get(route, other.id)).state is State.PENDING


async def test_what_a_suspended_tenant_has_under_way_waits_until_it_is_resumed(
    database: Database, working: Working, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.operations.worker._REST", 0.3)  # seconds
    looks = _Looks(monkeypatch)
    operations = Operations(Wakeups(), Uuid7(), lease=SHORT)

    async def suspend(done: int) -> None:
        if done == 3:
            await _set_state(database, route, "suspended")

    step = Counting(suspend)
    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(step)):
        await looks.until(3)  # its lease is over meanwhile
        waiting, seen = await operations.get(route, begun.id), list(step.seen)
        step.before = None
        await _set_state(database, route, "active")
        operation = await ended(operations, route, begun)

    assert (waiting.state, waiting.progress.done, waiting.failures) == (State.RUNNING, 3, 0)
    assert seen == [0, 1, 2, 3]  # nothing is done for who is suspended
    assert operation.state is State.SUCCEEDED
    assert step.seen == [*seen, *range(3, 10)]


async def test_a_tenant_that_is_resumed_at_once_has_lost_nothing(
    database: Database, working: Working, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.operations.worker._REST", 0.1)
    operations = Operations(Wakeups(), Uuid7(), lease=SHORT)
    refused: list[int] = []

    async def refuse_once(done: int) -> None:
        if done == 3 and not refused:
            refused.append(done)
            raise TenantSuspended(route.tenant)

    step = Counting(refuse_once)
    begun = await operations.begin(route, ASKED, "Count", {})
    async with working(operations, counting(step)):
        operation = await ended(operations, route, begun)

    assert operation.state is State.SUCCEEDED
    assert step.seen == [0, 1, 2, 3, *range(3, 10)]


class _Looks:
    """How often workers have looked for what to do and found the tenant not served."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = asyncio.Semaphore(0)
        real = worker.log.warning

        def warning(event: str, **values: Any) -> Any:
            if event == "operations.left" and values["error"] == "TENANT_SUSPENDED":
                self._left.release()
            return real(event, **values)

        monkeypatch.setattr(worker, "log", SimpleNamespace(warning=warning))

    async def until(self, times: int) -> None:
        for _ in range(times):
            await asyncio.wait_for(self._left.acquire(), 30)


async def _set_state(database: Database, route: Route, state: str) -> None:
    """As governance does it: in the registry and in the shard."""
    async with database.connect() as superuser:
        for table, key in (("control.tenant", "id"), ("aeterna.tenant_state", "tenant_id")):
            sql = f"UPDATE {table} SET state = $2 WHERE {key} = $1"
            await superuser.execute(sql, route.tenant, state)
