"""Whatever happens to replicas and their store, in the end everybody sees who is there; and nobody
is ever told of as gone who is connected to a replica that lives and is not cut off."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.sync.presence.domain.members import Counts, Cursor, State
from services.sync.presence.exchange import Lease
from tests.contract.presence.replicas import LEASE, ROOM, Clock, Replica, member, stores
from tests.contract.presence.rooms import Desk, pass_time

NAMES = ("r1", "r2", "r3")
_RENEWAL = Lease().renewal

names, numbers = st.sampled_from(NAMES), st.integers(0, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), names, numbers, st.sampled_from(["ann", "bob"])),
        st.tuples(st.just("leave"), names, numbers),
        st.tuples(st.just("act"), names, numbers, st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 10])),
        st.tuples(st.just("kill"), names),
        st.tuples(st.just("cut_off"), st.sets(names, min_size=1), st.integers(1, 25)),
        st.tuples(st.just("lose"), st.integers(1, 12)),
    ),
    max_size=25,
)


class World:
    """Three replicas, each with an observer, and what is true of them."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self.replica, self.clock = replica, clock
        self.desks = {name: Desk(replica(name), clock) for name in NAMES}
        self.dead: set[str] = set()

    @property
    def running(self) -> list[Desk]:
        return [desk for name, desk in self.desks.items() if name not in self.dead]

    def has(self, name: str, connection: str) -> bool:
        rooms = self.desks[name].presences.rooms_of(ROOM.tenant, connection)
        return name not in self.dead and ROOM in rooms

    async def open(self) -> None:
        for name in NAMES:
            await self.desks[name].enter(ROOM, member(f"{name}-eye", f"eye-{name}"))
        await self.wait(16)

    async def enter(self, name: str, number: int, user: str) -> None:
        if name not in self.dead and not self.has(name, f"{name}-{number}"):
            desk = self.desks[name]
            known = desk.there(ROOM).seen
            await desk.enter(ROOM, member(f"{name}-{number}", f"{user}-{number}"))
            desk.there(ROOM).seen = {**known, **desk.there(ROOM).seen}

    async def leave(self, name: str, number: int) -> None:
        if name not in self.dead:
            self.desks[name].presences.leave(ROOM, f"{name}-{number}")

    async def act(self, name: str, number: int, position: int) -> None:
        if self.has(name, f"{name}-{number}"):
            cursor = Cursor(position, position, 1)
            self.desks[name].presences.set(ROOM, f"{name}-{number}", State.ACTIVE, cursor)

    async def wait(self, seconds: int) -> None:
        """With a heartbeat of every client."""
        for name, desk in self.desks.items():
            for each in ("eye", *map(str, range(5))):
                if self.has(name, f"{name}-{each}"):
                    desk.presences.heard(ROOM.tenant, f"{name}-{each}")
        await pass_time(self.clock, seconds, *self.running)

    async def kill(self, name: str) -> None:
        if len(self.dead) < 2:
            self.dead.add(name)

    async def cut_off(self, those: set[str], seconds: int) -> None:
        """Some replicas, or all, do not reach the store for a while."""
        for name in those:
            self.desks[name].store.away = True
        await self.wait(seconds)
        for name in those:
            self.desks[name].store.away = False
        await self.wait(3)

    async def lose(self, seconds: int) -> None:
        """The store is away for all, and comes back empty."""
        for desk in self.desks.values():
            desk.store.away = True
        await self.wait(seconds)
        await self.replica.forget()
        for desk in self.desks.values():
            desk.store.away = False

    async def settle(self) -> None:
        """Until everybody is idle, and everybody has heard of that."""
        for _ in range(2):
            await self.wait(round(LEASE + _RENEWAL) * 2)

    async def check(self) -> None:
        there = {
            f"{name}-{each}": name
            for name in NAMES
            for each in ("eye", *map(str, range(5)))
            if self.has(name, f"{name}-{each}")
        }
        for desk in self.running:
            client = desk.there(ROOM)
            assert set(client.seen) == set(there)
            people = {each.user for each in client.seen.values()}
            assert client.counts == Counts(len(there), len(people))
            assert not client.partial
            listed = await desk.presences.list(ROOM, "", 100)
            assert [each.connection for each in listed.members] == sorted(there)
            assert {each.connection: each for each in listed.members} == client.seen


@pytest.mark.parametrize("adapter", ["memory", "redis"])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(steps=steps)
async def test_everybody_sees_who_is_there(adapter: str, redis_url: str, steps: list[Any]) -> None:
    clock = Clock()
    async with stores(adapter, redis_url, clock) as replica:
        world = World(replica, clock)
        await world.open()
        for what, *args in steps:
            await getattr(world, what)(*args)
        await world.settle()
        await world.check()


outages = st.tuples(st.sampled_from(["lose", "cut_off"]), st.integers(1, 40))


@pytest.mark.parametrize("adapter", ["memory", "redis"])
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(happened=st.lists(outages, min_size=1, max_size=4), pause=st.integers(1, 20))
async def test_a_store_that_is_away_or_loses_everything_makes_nobody_offline(
    adapter: str, redis_url: str, happened: list[tuple[str, int]], pause: int
) -> None:
    clock = Clock()
    async with stores(adapter, redis_url, clock) as replica:
        world = World(replica, clock)
        await world.open()
        for number, name in enumerate(NAMES):
            await world.enter(name, number, "ann")
        await world.wait(6)
        for outage, seconds in happened:
            if outage == "lose":
                await world.lose(seconds)
            else:
                await world.cut_off(set(NAMES), seconds)
            await world.wait(pause)
        await world.settle()
        await world.check()
        for desk in world.running:
            assert State.OFFLINE not in {each.state for each in desk.there(ROOM).told}
