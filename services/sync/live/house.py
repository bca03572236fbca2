"""Everybody of one tenant who is connected here: their rooms, and what is sent to them.

Two tasks for each tenant, none for a connection: one follows the tail and lets the rooms send in
turns; the other reads for those who are behind (`services.sync.live.reader`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import structlog

from libs.authorization.engine import Asker
from libs.authorization.things import Thing
from libs.errors import AppError
from libs.metrics import LIVE_CONNECTIONS
from libs.service.caller import PermissionDenied
from libs.service.errors import expected
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.live.audience import Audiences
from services.sync.live.domain.endings import Ending
from services.sync.live.domain.rooms import Room, entering, rooms_of
from services.sync.live.errors import (
    LogChanged,
    NotInRoom,
    RoomNotFound,
    SnapshotUnavailable,
    TooManyRooms,
)
from services.sync.live.means import Entry, Means, demand
from services.sync.live.members import Connection, Member, State
from services.sync.live.ports import Frame
from services.sync.live.reader import LOST, Reader
from services.sync.live.rooms import LiveRoom, Queued
from services.sync.live.telling import Telling
from services.sync.tails import PAGE, Tail

log = structlog.get_logger(__name__)

_TURN = 256  # sends before others have their turn
_ROUND = 50_000  # sends before it is asked again who may hear what
_LOOK = 2.0  # seconds after which it is asked again who may be here, though nothing has changed
_ACTION = "Subscribe"


class House:
    """One tenant's. `ended` is called once, when it is left by all or has failed."""

    def __init__(self, tenant: TenantId, means: Means, ended: Callable[["House"], None]) -> None:
        self.tenant, self.means, self.frames = tenant, means, means.frames
        self.rooms: dict[str, LiveRoom] = {}
        self.connections: dict[Connection, None] = {}
        self.position = 0
        self.reader = Reader(self)
        self.tail: Tail
        self._ended, self._stack = ended, ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._audiences = Audiences(tenant)
        self._rules: object = None
        self._telling = Telling(self.too_slow)
        self._renewing = asyncio.Lock()

    def open(self, head: int) -> None:
        """Begins at the newest change; `head` is its number if the tenant has no tail yet."""
        self.tail = self._stack.enter_context(self.means.tails.followed(self.tenant, head))
        self.position = self.tail.window.head
        self._tasks = [asyncio.create_task(self._guarded(self._follow))]
        self._tasks.append(asyncio.create_task(self._guarded(self.reader.run)))

    async def join(self, connection: Connection) -> None:
        """Lets in somebody who has an identity.

        Raises:
            PermissionDenied, StoreUnavailable: Not, after all.
        """
        self.connections[connection] = None
        LIVE_CONNECTIONS.inc()
        try:
            async with self._renewing:
                self._settle(connection, await self._asked(connection))
        except BaseException:
            self.part(connection)
            raise

    async def renew_one(self, connection: Connection) -> None:
        """Somebody has a new token."""
        async with self._renewing:
            await self._regard(connection)

    def part(self, connection: Connection) -> None:
        """Somebody is gone."""
        if connection not in self.connections:
            return
        for name in list(connection.rooms):
            self.leave(connection, name)
        del self.connections[connection]
        LIVE_CONNECTIONS.dec()
        self._audiences.leave(connection.audience)
        connection.audience = None
        if not self.connections:
            self._close()

    def end(self, connection: Connection, ending: Ending) -> None:
        """Sends somebody away."""
        connection.dismiss(ending)
        self.part(connection)

    async def enter(
        self, connection: Connection, may: Callable[[str, Thing], bool], entry: Entry
    ) -> Member:
        """A new member of a room, who gets nothing before `start`; one who is in it enters anew.

        Args:
            may: Answers for the caller.

        Raises:
            RoomNotFound, TooManyRooms: The caller may not.
            NumberNotReached, ChangesPruned, ChangesMissing, SnapshotUnavailable: Not from there.
            NotInRoom: The connection went meanwhile.
            StoreUnavailable: The log cannot be read.
        """
        spec, rules = entry.room, self._rules
        latest = await demand(self.means.log, spec, self.tenant, connection.person, may)
        number = await self._number(entry.since)
        if entry.snapshot:
            await self.check_snapshot(spec, number)
        if connection not in self.connections:
            raise NotInRoom(spec.name)
        most = self.means.settings.rooms_per_connection
        if spec.name not in connection.rooms and len(connection.rooms) >= most:
            raise TooManyRooms(most)
        self.leave(connection, spec.name)
        member = self._entered(connection, entry, number, latest)
        if self._rules is not rules:  # `may` goes by others than hold now
            await self.renew_one(connection)
        return member

    def start(self, member: Member) -> None:
        """Sends what the member is to get, from now on."""
        if member.state is not State.NEW:
            return
        member.state = State.BEHIND
        if member.presence:
            member.room.present[member] = None
        if member.cursor is None and member.room.admits(member):
            member.room.admit(member)
        else:
            member.told = None
            self.reader.add(member)

    def leave(self, connection: Connection, name: str) -> bool:
        """Leaves a room for good; whether the connection was in it."""
        member = connection.rooms.pop(name, None)
        if member is None:
            return False
        room = member.room
        room.leave(member)
        self.reader.forget(member)
        if not room.count and self.rooms.get(name) is room:
            del self.rooms[name]
        if member.presence and self.means.presence:
            self.means.presence.leave(self.tenant, name, connection.name)
        return True

    def expel(self, member: Member, error: AppError) -> None:
        """Makes somebody leave a room, and says why."""
        name = member.room.spec.name
        if self.leave(member.connection, name):
            member.connection.peer.send(self.frames.expelled(name, error))

    def tell(self, name: str, frame: Frame) -> None:
        """Sends something to those in a room who entered it with presence."""
        if name in self.rooms:
            self._telling.tell(self.rooms[name], frame)

    async def confirm(self) -> None:
        """Tells everybody live from where to resume, where that is news; others have turns."""
        sent = 0
        for room in list(self.rooms.values()):
            for member, frame in self._unconfirmed(room):
                if member.state is State.LIVE:
                    member.connection.peer.send(frame)
                sent += 1
                if sent % _TURN == 0:
                    await asyncio.sleep(0)

    def _unconfirmed(self, room: LiveRoom) -> Sequence[tuple[Member, Frame]]:
        if room.position <= room.checkpoint:
            return ()
        room.checkpoint = room.position
        frame = self.frames.checkpoint(room.spec.name, room.position)
        return [(member, frame) for member in room.live()]

    async def renew(self) -> None:
        """Goes by the policies that hold now: nobody hears what it may hear no more."""
        rules = await self.means.rights.rules(self.tenant)
        if rules is self._rules:
            return
        async with self._renewing:
            for count, connection in enumerate(list(self.connections)):
                if count % _TURN == 0:
                    await asyncio.sleep(0)
                if connection in self.connections:
                    await self._regard(connection)
            self._rules = rules

    async def check_snapshot(self, room: Room, number: int) -> None:
        """Raises SnapshotUnavailable when the log no longer has all that there is in a room."""
        floor = await self.means.log.floor(self.tenant)
        if floor and not room.is_document:
            raise SnapshotUnavailable(room.name, floor, number)

    async def edits(self, room: str, numbers: Sequence[int]) -> Mapping[int, Any]:
        """What was typed by these changes of a document; nothing where that cannot be read: whoever
        writes there reads what it has missed by itself, and others have no part in it."""
        if not numbers or self.means.documents is None:
            return {}
        try:
            return await self.means.documents.edits(self.tenant, room, numbers)
        except AppError as error:
            log.warning("live.edits_left_out", tenant=self.tenant, reason=error.reason)
            return {}

    def too_slow(self, member: Member) -> bool:
        """Whether the client takes less than it is sent."""
        return member.connection.peer.waiting > self.means.settings.waiting_bytes

    def hold(self, member: Member) -> None:
        """Gives nothing to somebody behind until the client has taken what it has."""
        self.reader.hold(member)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """What fails ends everybody, who come again and resume."""
        try:
            await work()
        except Exception as exc:
            ending = Ending(LogChanged() if isinstance(exc, LOST) else expected(exc))
            for connection in list(self.connections):
                self.end(connection, ending)

    def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._stack.close()
        self._ended(self)

    async def _follow(self) -> None:
        while True:
            await self.tail.wait(self.position, _LOOK)
            if self.tail.ended:
                raise self.tail.ended
            await self.renew()
            if self.tail.window.head > self.position:
                await self._spread(await self._next())

    async def _next(self) -> Sequence[LoggedChange]:
        """What follows, as much as can be sent before policies are asked again."""
        most = max(1, _ROUND // max(1, len(self.connections)))
        recent: Sequence[LoggedChange] | None = self.tail.window.after(self.position)
        if recent is None:
            recent, _ = await self.means.log.after(self.tenant, self.position, PAGE)
        return recent[:most]

    async def _spread(self, changes: Sequence[LoggedChange]) -> None:
        """Puts changes into the queues of their rooms, and lets these send in turns."""
        typed = await self._typed(changes)
        busy: dict[LiveRoom, None] = {}
        for change in changes:
            for name in rooms_of(change):
                if room := self.rooms.get(name):
                    edit = typed.get(change.number) if room.spec.is_document else None
                    room.queue.append(Queued(change, edit))
                    busy[room] = None
        if changes:
            self.position = changes[-1].number
        await _take_turns(busy)
        self.reader.ring()

    async def _typed(self, changes: Sequence[LoggedChange]) -> Mapping[int, Any]:
        """The edits of documents that somebody is in the room of; rooms may be entered while they
        are read."""
        found: dict[int, Any] = {}
        asked: set[str] = set()
        while self.means.documents:
            rooms = {each.resource for each in changes if self._is_document(each.resource)}
            if not (missing := rooms - asked):
                break
            for room in missing:
                numbers = [each.number for each in changes if each.resource == room]
                found.update(await self.edits(room, numbers))
            asked |= missing
        return found

    def _is_document(self, resource: str) -> bool:
        room = self.rooms.get(resource)
        return room is not None and room.spec.is_document

    async def _asked(self, connection: Connection) -> Asker:
        assert connection.identity is not None  # nobody else is let in
        return await self.means.rights.asker(self.tenant, connection.identity)

    async def _regard(self, connection: Connection) -> None:
        """Goes by what somebody may do by now."""
        asker = await self._asked(connection)
        try:
            self._settle(connection, asker)
        except PermissionDenied as exc:
            self.end(connection, Ending(exc))
            return
        for member in list(connection.rooms.values()):
            spec = member.room.spec
            asked = entering(spec, self.tenant, connection.person, member.room.latest)
            if asked and not any(asker.decide(*each).allowed for each in asked):
                self.expel(member, RoomNotFound(spec.name))

    def _settle(self, connection: Connection, asker: Asker) -> None:
        """Makes somebody one of the audience that has these rights.

        Raises:
            PermissionDenied: They are not enough to subscribe.
        """
        if connection not in self.connections:
            return
        before = connection.audience
        after = self._audiences.of(asker)
        decision = after.admits(_ACTION)
        if not decision.allowed:
            raise PermissionDenied(_ACTION, decision)
        if after is before:
            return
        self._audiences.join(after)
        connection.audience = after
        for member in connection.rooms.values():
            member.room.move(member, before)
        self._audiences.leave(before)

    async def _number(self, since: int | None) -> int:
        """Where a member begins: a number from which the log goes on."""
        window = self.tail.window
        if since is None:
            return window.head
        if since > window.head or window.after(since) is None:
            await self.means.log.after(self.tenant, since, 1)
        return since

    def _entered(
        self, connection: Connection, entry: Entry, number: int, latest: LoggedChange | None
    ) -> Member:
        name = entry.room.name
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = LiveRoom(self, entry.room)
        member = Member(connection, room, number, entry.window, entry.presence)
        member.cursor = "" if entry.snapshot else None
        room.latest, room.count = latest, room.count + 1
        connection.rooms[name] = member
        return member


async def _take_turns(busy: Mapping[LiveRoom, None]) -> None:
    """Sends what is queued: a room that has much to send holds up neither the others nor other
    tenants."""
    rooms, sent = deque(busy), 0
    while rooms:
        room = rooms.popleft()
        sent += room.turn(_TURN)
        if room.queue:
            rooms.append(room)
        if sent >= _TURN:
            sent = 0
            await asyncio.sleep(0)
