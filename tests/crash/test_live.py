"""Live connections while replicas, Redis and PostgreSQL go away: no event is lost or doubled.

Clients of two replicas follow rooms under load. What each has heard is compared with the log.
AETERNA_CRASHES sets how often something goes away; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1.change_pb2 import Change
from aeterna.common.v1.scope_pb2 import Scope
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.sync.v1 import live_pb2, sync_pb2
from libs.live import Live, Room
from tests.crash.rig import Rig, open_rig
from tests.eventually import eventually

_TROUBLES = int(os.environ.get("AETERNA_CRASHES", "4"))
_CLIENTS = 24
_WRITERS = 4
_TEAMS = ("red", "blue")
_SECONDS = 60.0  # far more than a recovery takes
_RETRY_SECONDS = 0.05
_LEASE_SECONDS = 30.0  # a lease is 15 s, and as much for those who see to it


@dataclass
class Hearing:
    """What one client has heard in one room."""

    room: Room
    numbers: list[int] = field(default_factory=list)

    async def run(self) -> None:
        async for event in self.room:
            self.numbers.append(event.number)


@dataclass
class Load:
    """Writers that add memories until they are told to stop."""

    rig: Rig
    added: int = 0
    stopping: bool = False

    async def writer(self, place: int) -> None:
        while not self.stopping:
            team = random.choice(_TEAMS)
            memory = pb.Memory(
                layer=pb.LAYER_TEAM,
                scope=Scope(team_id=team),
                content=f"{team} {place} {self.added} {uuid4()}",
            )
            await self._add(pb.CreateMemoryRequest(memory=memory, request_id=str(uuid4())))
            self.added += 1

    async def _add(self, request: pb.CreateMemoryRequest) -> None:
        """Sends it until it is acknowledged."""
        while True:
            try:
                await self.rig.memory.CreateMemory(request, metadata=self.rig.metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                ):
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def more(self, count: int) -> None:
        """Returns once so many more were added."""
        wanted = self.added + count

        async def enough() -> bool:
            return self.added >= wanted

        await eventually(enough, seconds=_SECONDS)


async def _kill_a_replica(rig: Rig, load: Load) -> None:
    victim = random.choice(rig.syncs)
    await victim.kill()
    await load.more(random.randint(1, 40))
    await victim.start()


async def _stop_a_replica(rig: Rig, load: Load) -> None:
    """As a release does: it tells its clients when to come back, and sends them away."""
    place = random.randrange(len(rig.syncs))
    assert await rig.syncs[place].stop() == 0
    await load.more(random.randint(1, 40))
    await rig.syncs[place].start()
    await rig.answers(place)


async def _restart_redis(rig: Rig, load: Load) -> None:
    await rig.redis.kill()
    await load.more(random.randint(1, 40))
    await rig.redis.start()


async def _restart_postgres(rig: Rig, load: Load) -> None:
    await rig.postgres.stop()
    await rig.postgres.start()


Trouble = Callable[[Rig, Load], Awaitable[None]]


@pytest.mark.parametrize(
    "trouble", [_kill_a_replica, _stop_a_replica, _restart_redis, _restart_postgres]
)
async def test_no_event_is_lost_and_none_comes_twice(folder: Path, trouble: Trouble) -> None:
    async with open_rig(folder.parent) as rig, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(rig.live(json=place % 2 == 0))
            for place in range(_CLIENTS)
        ]
        hearings = [_hear(live, room) for live in clients for room in _rooms()]
        listening = [asyncio.create_task(each.run()) for each in hearings]
        for each in hearings:
            await asyncio.wait_for(each.room.entered(), _SECONDS)
        load = Load(rig)
        writers = [asyncio.create_task(load.writer(place)) for place in range(_WRITERS)]
        for _ in range(_TROUBLES):
            await load.more(random.randint(10, 60))
            await trouble(rig, load)
        await load.more(50)
        load.stopping = True
        await asyncio.gather(*writers)

        log = await _log(rig)
        await asyncio.gather(*(_heard_all(each, log) for each in hearings))
        lost, doubled = _compare(hearings, log)
        print(
            f"{trouble.__name__[1:]} {_TROUBLES} times, {load.added} memories, {len(hearings)}"
            f" rooms of {_CLIENTS} clients, lost {lost}, doubled {doubled}"
        )
        for each in hearings:
            assert each.numbers == _expected(each, log)
        for task in listening:
            task.cancel()


async def test_who_is_there_is_right_again_within_a_lease_of_a_kill(folder: Path) -> None:
    """Also of those whose replica was killed: they are there once, by their new connections."""
    async with open_rig(folder.parent) as rig, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(rig.live()) for _ in range(_CLIENTS)]
        rooms = [live.enter("teams/red", presence=True) for live in clients]
        for room in rooms:
            await asyncio.wait_for(room.entered(), _SECONDS)
        await eventually(lambda: _all_there(rig, clients), seconds=_LEASE_SECONDS)

        await rig.syncs[1].kill()

        await eventually(lambda: _all_there(rig, clients), seconds=_LEASE_SECONDS)
        names = {(await live.online()).connection for live in clients}

        async def told() -> bool:
            return all(set(room.people) == names for room in rooms)

        await eventually(told, seconds=_LEASE_SECONDS)


async def _all_there(rig: Rig, clients: Sequence[Live]) -> bool:
    """Whether those who are there are the clients, by the connections that they have now."""
    names = {(await live.online()).connection for live in clients}
    present = await rig.presence.ListPresence(
        live_pb2.ListPresenceRequest(room="teams/red", page_size=1000), metadata=rig.metadata
    )
    return {each.connection for each in present.present} == names and present.people == 1


def _rooms() -> Sequence[str]:
    return ("changes", "memories", f"teams/{random.choice(_TEAMS)}")


def _hear(live: Live, room: str) -> Hearing:
    return Hearing(live.enter(room, since=0, window=random.choice([0, 16, 256])))


async def _log(rig: Rig) -> list[Change]:
    """The log from its beginning, by pages."""
    changes: list[Change] = []
    while True:
        since = changes[-1].number if changes else 0
        request = sync_pb2.ListChangesRequest(since=since, page_size=1000)
        page = None
        with suppress(grpc.aio.AioRpcError):  # a replica may be just starting
            page = await rig.sync.ListChanges(
                request, metadata=rig.metadata, timeout=10, wait_for_ready=True
            )
        if page is not None:
            changes += page.changes
            if not page.changes:
                return changes


def _expected(hearing: Hearing, log: Sequence[Change]) -> list[int]:
    """The numbers of what belongs in the room."""
    kind, _, place = hearing.room.name.partition("/")
    return [
        each.number
        for each in log
        if kind == "changes"
        or (kind == "memories" and each.resource.startswith("memories/"))
        or (kind == "teams" and each.scope.team_id == place)
    ]


async def _heard_all(hearing: Hearing, log: Sequence[Change]) -> None:
    newest = _expected(hearing, log)[-1]

    async def caught_up() -> bool:
        return bool(hearing.numbers) and hearing.numbers[-1] >= newest

    with suppress(TimeoutError):  # what is missing is told of by the comparison
        await eventually(caught_up, seconds=_SECONDS)


def _compare(hearings: Sequence[Hearing], log: Sequence[Change]) -> tuple[int, int]:
    """How many events are missing, and how many came again."""
    lost = doubled = 0
    for each in hearings:
        lost += len(set(_expected(each, log)) - set(each.numbers))
        doubled += len(each.numbers) - len(set(each.numbers))
    return lost, doubled
