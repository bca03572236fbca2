"""Replicas as the service runs them, one round at a time; each notes what its clients are told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from services.sync.presence.domain.members import NOBODY, Counts, Member, Placed, Room, State
from services.sync.presence.domain.telling import Update
from services.sync.presence.operations import Pace, Presences
from services.sync.presence.ports import News, Renewal, Store, StoreAway, Swept, Write, Written
from tests.contract.presence.replicas import Clock, Replica


@dataclass
class Switched:
    """A store that a test takes away."""

    store: Store
    away: bool = False

    @property
    def replica(self) -> str:
        return self.store.replica

    def _there(self) -> Store:
        if self.away:
            raise StoreAway
        return self.store

    async def renew(self, versions: Mapping[Room, int]) -> Renewal:
        return await self._there().renew(versions)

    async def write(self, writes: Sequence[Write]) -> Sequence[Written | None]:
        return await self._there().write(writes)

    async def held(self, room: Room) -> Set[str]:
        return await self._there().held(room)

    async def news(self, positions: Mapping[Room, str]) -> Mapping[Room, News]:
        return await self._there().news(positions)

    async def counts(self, room: Room) -> Counts:
        return await self._there().counts(room)

    async def page(
        self, room: Room, after: str, limit: int, *, lapsed: bool = False
    ) -> Sequence[Placed]:
        return await self._there().page(room, after, limit, lapsed=lapsed)

    async def sweep(self) -> Swept:
        return await self._there().sweep()

    async def leave(self) -> None:
        await self._there().leave()

    async def listen(self, ready: Callable[[], None], hear: Callable[[Room], None]) -> None:
        await self._there().listen(ready, hear)


@dataclass
class Client:
    """What somebody at a replica sees of a room."""

    seen: dict[str, Member] = field(default_factory=dict)
    counts: Counts = NOBODY
    partial: bool = False
    told: list[Member] = field(default_factory=list)

    def hear(self, update: Update) -> None:
        self.counts, self.partial = update.counts, update.partial
        self.told += update.changes
        for each in update.changes:
            self.seen[each.connection] = each
            if each.state is State.OFFLINE:
                del self.seen[each.connection]


class Desk:
    """A replica."""

    def __init__(self, store: Store, clock: Clock, pace: Pace | None = None) -> None:
        self.clock, self.store = clock, Switched(store)
        self.clients: dict[Room, Client] = {}
        self.presences = Presences(self.store, self.tell, pace or Pace(), clock=clock)

    def tell(self, room: Room, update: Update) -> None:
        self.clients.setdefault(room, Client()).hear(update)

    async def enter(self, room: Room, *members: Member) -> Client:
        """All at once; the view of the last one, kept up to date from now on."""
        entering = [asyncio.create_task(self.presences.enter(room, each)) for each in members]
        await asyncio.sleep(0)
        await self.presences.round()
        shown = [await each for each in entering][-1]
        client = self.clients.setdefault(room, Client())
        client.seen = {each.connection: each for each in shown}
        return client

    def there(self, room: Room) -> Client:
        return self.clients[room]


def desks(replica: Replica, clock: Clock, *names: str) -> list[Desk]:
    return [Desk(replica(name), clock) for name in names]


async def pass_time(clock: Clock, seconds: float, *running: Desk) -> None:
    """Lets time pass in steps of a second, in which the replicas do their rounds. Hints are left
    out: renewals find what they would have told."""
    for _ in range(round(seconds)):
        for step in (0.9, 0.1):
            clock.now += step
            for desk in running:
                await desk.presences.round()
