"""A house of live connections on a log in memory, and its people."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic

from libs.auth import Identity, Role
from libs.authorization.asking import principal_of
from libs.authorization.engine import Asker, Engine
from libs.authorization.rules import TenantRules
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from services.sync.errors import ChangesPruned, NumberNotReached
from services.sync.live.api.messages import Speech
from services.sync.live.domain.endings import Ending
from services.sync.live.domain.rooms import Room, parse_room, rooms_of
from services.sync.live.house import House
from services.sync.live.means import Entry, Means
from services.sync.live.members import Connection, Member
from services.sync.live.operations import Hub
from services.sync.live.ports import Frame
from services.sync.live.settings import LiveSettings
from services.sync.tails import Tails

TENANT = TenantId("acme")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
_NAMES = count()


@dataclass
class MemoryLog:
    """`LiveLog` in memory; every reader lets the others go first."""

    rows: list[LoggedChange] = field(default_factory=list)
    pruned: int = 0

    def append(
        self, resource: str, layer: str = "", subject: str = "", did: str = "created"
    ) -> int:
        number = len(self.rows) + 1
        row = LoggedChange(number, resource, did, "", subject, layer, "", "", "", NOW, b"")
        self.rows.append(row)
        return number

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        await asyncio.sleep(0)
        if number > len(self.rows):
            raise NumberNotReached(number, len(self.rows))
        if limit and number < self.pruned:
            raise ChangesPruned(number, self.pruned, len(self.rows))
        return self.rows[number : number + limit], len(self.rows)

    async def of(
        self, tenant: TenantId, resource: str, number: int, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        await asyncio.sleep(0)
        return [each for each in self.rows[number:upto] if each.resource == resource][:limit]

    async def latest(self, tenant: TenantId, resource: str) -> LoggedChange | None:
        await asyncio.sleep(0)
        return next((each for each in reversed(self.rows) if each.resource == resource), None)

    async def existing(
        self, tenant: TenantId, room: Room, above: str, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        await asyncio.sleep(0)
        newest = {each.resource: each for each in self.rows[:upto]}
        return [
            newest[name]
            for name in sorted(newest)
            if name > above and room.name in rooms_of(newest[name])
        ][:limit]

    async def floor(self, tenant: TenantId) -> int:
        return self.pruned


@dataclass
class Policies:
    """`Rights` by roles; what somebody may do changes with `give`."""

    engine: Engine = field(default_factory=Engine)
    current: TenantRules = field(default_factory=TenantRules)

    def give(self, rules: TenantRules, engine: Engine | None = None) -> None:
        self.current, self.engine = rules, engine or self.engine

    async def rules(self, tenant: TenantId) -> object:
        await asyncio.sleep(0)
        return self.current

    async def asker(self, tenant: TenantId, identity: Identity) -> Asker:
        await asyncio.sleep(0)
        return self.engine.of(principal_of(identity, self.current, NOW))


@dataclass
class Client:
    """`Peer`: a client that takes everything at once, unless it is stalled."""

    frames: list[Frame] = field(default_factory=list)
    waiting: int = 0
    stalled: bool = False
    ending: Ending | None = None

    def send(self, frame: Frame) -> None:
        if self.ending is None:
            self.frames.append(frame)
            self.waiting += frame.size if self.stalled else 0

    def end(self, ending: Ending) -> None:
        self.ending = ending

    def look(self) -> None:
        """It never goes."""

    @property
    def messages(self) -> list[str]:
        return [each.message.WhichOneof("message") for each in self.frames]

    def numbers(self, room: str) -> list[int]:
        """Of the events of a room that it was sent."""
        events = [each.message.event for each in self.frames if each.number]
        return [event.number for event in events if event.room == room]


@dataclass
class Place:
    """A hub with its parts, and a way in."""

    log: MemoryLog
    wakeups: Wakeups
    rights: Policies
    means: Means
    hub: Hub

    async def connect(
        self, person: str = "ann", role: Role = Role.VIEWER
    ) -> tuple[Connection, Client]:
        client = Client()
        connection = Connection(f"c{next(_NAMES)}", client, self.means.clock())
        connection.identity = identity(person, role)
        connection.ends_at = self.means.clock() + 3600
        await self.hub.join(connection, TENANT)
        return connection, client

    @property
    def house(self) -> House:
        return self.hub.houses[TENANT]

    async def enter(
        self,
        connection: Connection,
        room: str,
        since: int | None = None,
        *,
        window: int = 0,
        snapshot: bool = False,
    ) -> Member:
        assert connection.identity is not None
        asker = await self.rights.asker(TENANT, connection.identity)
        entry = Entry(parse_room(room), since, snapshot, window=window)
        house = self.house
        member = await house.enter(
            connection, lambda action, thing: asker.decide(action, thing).allowed, entry
        )
        house.start(member)
        return member

    def tell(self) -> None:
        self.wakeups.publish(TENANT)


def identity(person: str, *roles: Role) -> Identity:
    return Identity(TENANT, person, frozenset(roles), "", (), "test", NOW + timedelta(days=1))


@asynccontextmanager
async def opened(settings: LiveSettings | None = None) -> AsyncIterator[Place]:
    """A place that looks at the log every millisecond."""
    log, wakeups, rights = MemoryLog(), Wakeups(), Policies()
    tails = Tails(log, wakeups, timedelta(milliseconds=1))
    means = Means(log, tails, rights, Speech(), settings or LiveSettings(), monotonic)
    hub = Hub(means, timedelta(hours=1))
    try:
        yield Place(log, wakeups, rights, means, hub)
    finally:
        for house in list(hub.houses.values()):
            for connection in list(house.connections):
                hub.part(connection, house)
        await tails.close()
