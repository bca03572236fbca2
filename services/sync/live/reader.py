"""Those of a tenant who are behind: what they missed is read once for all who are equally far.

Somebody who takes or acknowledges nothing is held: nothing is read for it until it does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from libs.changes import Operation
from libs.metrics import LIVE_EVENTS
from libs.service.errors import expected
from libs.spine.changes import LoggedChange
from services.sync.errors import ChangesMissing, ChangesPruned, NumberNotReached
from services.sync.live.audience import Audience
from services.sync.live.domain.rooms import Kind, Room, rooms_of
from services.sync.live.errors import SnapshotUnavailable
from services.sync.live.members import Member, State, Taking
from services.sync.live.ports import Frame
from services.sync.live.rooms import LiveRoom
from services.sync.tails import PAGE

if TYPE_CHECKING:
    from services.sync.live.house import House

_AT_ONCE = 256  # sends before others have their turn
LOST = (ChangesMissing, ChangesPruned, NumberNotReached, SnapshotUnavailable)


class Reader:
    """Brings members of one house up to date; `run` does, until it is cancelled."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._behind: dict[Member, None] = {}
        self._held: dict[Member, Taking] = {}
        self._bell = asyncio.Event()
        self._sent = 0

    def add(self, member: Member) -> None:
        """Reads for somebody who is behind."""
        self._behind[member] = None
        self._bell.set()

    def forget(self, member: Member) -> None:
        """Somebody is gone."""
        self._behind.pop(member, None)
        self._held.pop(member, None)

    def hold(self, member: Member) -> None:
        """Somebody does not take what it is sent."""
        self._behind.pop(member, None)
        self._held[member] = Taking(member.connection.peer, self._house.means.clock())

    def resume(self, member: Member) -> None:
        """Somebody may take more: goes on unless there is still too much."""
        if member.state is not State.BEHIND or member.full or member in self._behind:
            return
        if member in self._held:
            if member.connection.peer.waiting > self._house.means.settings.waiting_bytes // 2:
                return
            del self._held[member]
        self.add(member)

    def impatient(self, now: float) -> Iterable[Member]:
        """Those who have taken too little for too long; the others go on who may."""
        settings = self._house.means.settings
        for member in list(self._held):
            self.resume(member)
            taking = self._held.get(member)
            if taking and taking.is_late(member.connection.peer, now, settings):
                yield member

    def ring(self) -> None:
        """The log has grown: somebody may have waited for that."""
        if self._behind:
            self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            if await self._round():
                self._bell.set()
                await asyncio.sleep(0)  # a turn for others, whatever was found

    async def _round(self) -> bool:
        """A page for each who is behind; whether that brought anybody further."""
        groups: dict[tuple[LiveRoom, int, str | None], list[Member]] = defaultdict(list)
        for member in self._behind:
            groups[member.room, member.position, member.cursor].append(member)
        further = False
        for (room, position, cursor), members in groups.items():
            await self._house.renew()
            try:
                further |= await self._serve(room, position, cursor, members)
            except Exception as exc:  # of this room: the others go on
                error = expected(exc)
                for member in self._still(members):
                    self._house.expel(member, error)
        return further

    async def _serve(
        self, room: LiveRoom, position: int, cursor: str | None, members: Sequence[Member]
    ) -> bool:
        if cursor is not None:
            await self._snapshot(room, position, cursor, members)
        elif position > room.position:
            return False  # what another replica has sent is not known here yet
        elif position >= room.last:
            for member in self._still(members):
                self._go_live(member)
        else:
            await self._page(room, position, members)
        return True

    def _still(self, members: Sequence[Member]) -> list[Member]:
        """Those who are still to be read for."""
        return [member for member in members if member in self._behind]

    def _go_live(self, member: Member) -> None:
        del self._behind[member]
        if member.told is None or member.told < member.position:
            member.told = member.position
            name = member.room.spec.name
            member.connection.peer.send(self._house.frames.checkpoint(name, member.position))
        member.room.admit(member)

    async def _page(self, room: LiveRoom, position: int, members: Sequence[Member]) -> None:
        """Sends what follows a number, up to what those who are live have."""
        changes, upto = await self._read(room.spec, position, room.last)
        numbers = [each.number for each in changes] if room.spec.is_document else []
        edits = await self._house.edits(room.spec.name, numbers)
        going = self._still(members)  # who is held does not go on here, even if it may again
        for change in changes:
            going = await self._send(room, change, edits, going)
        for member in going:
            member.position = upto

    async def _read(
        self, room: Room, position: int, upto: int
    ) -> tuple[Sequence[LoggedChange], int]:
        """The next changes of a room, and the number up to which these are all."""
        house, log = self._house, self._house.means.log
        rows: Sequence[LoggedChange] | None = house.tail.window.after(position)
        if rows is None and room.kind is Kind.RESOURCE:
            rows = await log.of(house.tenant, room.name, position, upto, PAGE)
            return rows, rows[-1].number if len(rows) == PAGE else upto
        if rows is None:
            rows, _ = await log.after(house.tenant, position, PAGE)
        until = min(upto, rows[-1].number) if rows else upto
        return [row for row in rows if row.number <= upto and room.name in rooms_of(row)], until

    async def _send(
        self,
        room: LiveRoom,
        change: LoggedChange,
        edits: Mapping[int, Any],
        members: Sequence[Member],
    ) -> list[Member]:
        """To those who hear of it; those who can take more after it."""
        frame: Frame | None = None
        going = []
        for member in members:
            audience, person = member.connection.audience, member.connection.person
            if member not in self._behind or audience is None:
                continue
            if audience.shows(change, person):
                if self._stopped(member, change.number - 1):
                    continue
                if frame is None:
                    edit = edits.get(change.number)
                    frame = self._house.frames.event(room.spec.name, change, edit)
                self._give(member, frame)
                await self._breathe()
            going.append(member)
        return going

    def _give(self, member: Member, frame: Frame) -> None:
        if member.flight is not None:
            member.flight.append(frame.number)
        member.position = frame.number
        if member.told is not None:
            member.told = frame.number
        member.connection.peer.send(frame)

    def _stopped(self, member: Member, position: int) -> bool:
        """Holds somebody who can take no more than what it has, up to a number."""
        if member.full:
            self._behind.pop(member, None)
        elif self._house.too_slow(member):
            self.hold(member)
        else:
            return False
        member.position = position
        return True

    async def _breathe(self) -> None:
        LIVE_EVENTS.inc()
        self._sent += 1
        if self._sent % _AT_ONCE == 0:
            await asyncio.sleep(0)

    async def _snapshot(
        self, room: LiveRoom, position: int, cursor: str, members: Sequence[Member]
    ) -> None:
        """The next part of what there is in a room."""
        house = self._house
        rows = await house.means.log.existing(house.tenant, room.spec, cursor, position, PAGE)
        complete = len(rows) < PAGE
        if complete:
            await house.check_snapshot(room.spec, position)
        frames: dict[tuple[Audience, str], Frame] = {}
        personal = any(row.subject for row in rows)
        for member in self._still(members):
            audience, person = member.connection.audience, member.connection.person
            if audience is None or self._stopped(member, position):
                continue
            key = audience, person if personal else ""
            if key not in frames:
                seen = [row for row in rows if _is_there(row) and audience.shows(row, person)]
                frames[key] = house.frames.snapshot(
                    room.spec.name, seen, position, complete=complete
                )
            member.cursor = None if complete else rows[-1].resource
            member.connection.peer.send(frames[key])
            await self._breathe()


def _is_there(latest: LoggedChange) -> bool:
    """Whether a resource exists, by its latest change."""
    return latest.operation != Operation.DELETED
