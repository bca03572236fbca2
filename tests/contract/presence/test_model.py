"""Counts against a model: whatever joins, leaves, changes, dies and comes back, in any order."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.tenancy import TenantId
from services.sync.presence.domain.members import Counts, Member, Room, State
from services.sync.presence.ports import Store, Write
from tests.contract.presence.replicas import LEASE, Clock, member, stores, swept

REPLICAS, ROOMS = ("r1", "r2", "r3"), (Room(TenantId("acme"), "a"), Room(TenantId("bolt"), "a"))

replicas, rooms = st.sampled_from(REPLICAS), st.sampled_from(ROOMS)
people = st.sampled_from(["ann", "bob", "cleo"])
joins = st.tuples(st.just("join"), replicas, rooms, st.integers(0, 5), people)
steps = st.lists(
    st.one_of(
        joins,
        joins,
        st.tuples(st.just("leave"), replicas, rooms, st.integers(0, 5), people),
        st.tuples(st.just("idle"), replicas, rooms, st.integers(0, 5), people),
        st.tuples(st.just("renew"), replicas),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 5.0, 14.0, 16.0])),
        st.tuples(st.just("sweep"), replicas),
        st.tuples(st.just("end"), replicas),
    ),
    max_size=40,
)


class Model:
    """What each replica has in mind, and what the store should know of it."""

    def __init__(self, make: Callable[[str], Store], clock: Clock) -> None:
        self.clock = clock
        self.stores = {name: make(name) for name in REPLICAS}
        self.own: dict[tuple[str, Room], dict[str, Member]] = defaultdict(dict)
        self.left: dict[tuple[str, Room], dict[str, Member]] = defaultdict(dict)  # in the store
        self.versions: dict[tuple[str, Room], int] = defaultdict(int)
        self.until = dict.fromkeys(REPLICAS, 0.0)

    def alive(self, name: str) -> bool:
        return self.until[name] > self.clock.now

    async def do(self, what: str, *args: Any) -> None:
        await getattr(self, what)(*args)

    async def join(self, name: str, room: Room, number: int, user: str) -> None:
        connection = f"{name}-{number}"
        if connection not in self.own[name, room]:
            await self.write(name, room, {connection: member(connection, user)})

    async def idle(self, name: str, room: Room, number: int, user: str) -> None:
        known = self.own[name, room].get(f"{name}-{number}")
        if known:
            changed = member(known.connection, known.user, State.IDLE)
            await self.write(name, room, {known.connection: changed})

    async def leave(self, name: str, room: Room, number: int, user: str) -> None:
        await self.write(name, room, {}, f"{name}-{number}")

    async def write(self, name: str, room: Room, put: dict[str, Member], *gone: str) -> None:
        """As a replica does: with what it believes, and anew when it is told that it is wrong."""
        own = self.own[name, room]
        own |= put
        for connection in gone:
            own.pop(connection, None)
        store, version = self.stores[name], self.versions[name, room]
        (written,) = await store.write([Write(room, version, list(put.values()), gone)])
        if written is None:
            extra = await store.held(room) - own.keys()
            write = Write(room, version, list(own.values()), list(extra), anew=True)
            (written,) = await store.write([write])
        assert written
        self.versions[name, room] = written.version
        self.left[name, room] = dict(own)
        self.until[name] = self.until[name] or self.clock.now + LEASE

    async def renew(self, name: str) -> None:
        self.until[name] = self.clock.now + LEASE
        versions = {room: self.versions[name, room] for room in ROOMS}
        for room in (await self.stores[name].renew(versions)).stale:
            own = self.own[name, room]
            extra = await self.stores[name].held(room) - own.keys()
            write = Write(room, versions[room], list(own.values()), list(extra), anew=True)
            (written,) = await self.stores[name].write([write])
            assert written
            self.versions[name, room], self.left[name, room] = written.version, dict(own)

    async def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    async def sweep(self, name: str) -> None:
        await swept(self.stores[name])
        for other, room in list(self.left):
            if self.until[other] and not self.alive(other):
                self.left[other, room] = {}
        for other in REPLICAS:
            self.until[other] = self.until[other] if self.alive(other) else 0.0

    async def end(self, name: str) -> None:
        await self.stores[name].leave()
        self.until[name] = 0.0
        for room in ROOMS:
            self.left[name, room] = {}

    async def check(self) -> None:
        for room in ROOMS:
            left = {name: self.left[name, room] for name in REPLICAS}
            living = [each for name in REPLICAS if self.alive(name) for each in left[name].values()]
            users = {each.user for own in left.values() for each in own.values()}
            for store in self.stores.values():
                assert await store.counts(room) == Counts(len(living), len(users))
            page = await self.stores["r1"].page(room, "", 1000)
            expected = sorted(living, key=lambda each: each.connection)
            assert [each.member for each in page] == expected


@pytest.mark.parametrize("adapter", ["memory", "redis"])
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps=steps)
async def test_counts_equal_the_model(adapter: str, redis_url: str, steps: list[Any]) -> None:
    clock = Clock()
    async with stores(adapter, redis_url, clock) as make:
        model = Model(make, clock)
        for step in steps:
            await model.do(*step)
            await model.check()
