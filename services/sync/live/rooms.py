"""Rooms as they are entered: who is up to date in each, and what is still to be sent there.

Nothing here waits. A room belongs to one house (`services.sync.live.house`), which fills its queue
and lets it send, turn by turn.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from libs.metrics import LIVE_EVENTS
from libs.spine.changes import LoggedChange
from services.sync.live.audience import Audience, Shown
from services.sync.live.domain.rooms import Room
from services.sync.live.members import Member, State, nothing
from services.sync.live.ports import Frame, Frames

_WEIGH_EVERY = 16_384  # bytes sent to each of a room before it is looked who takes them


class Hall:
    """Those of one audience who are live in a room."""

    __slots__ = ("_all", "_people", "audience", "members")

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.members: dict[Member, None] = {}
        self._all: list[Member] | None = None
        self._people: dict[str, dict[Member, None]] | None = None

    def add(self, member: Member) -> None:
        """Lets somebody in."""
        self.members[member] = None
        self._all = None
        if self._people is not None:
            self._people.setdefault(member.connection.person, {})[member] = None

    def remove(self, member: Member) -> None:
        """Lets somebody out who is in."""
        del self.members[member]
        self._all = None
        if self._people is not None:
            theirs = self._people[member.connection.person]
            del theirs[member]
            if not theirs:
                del self._people[member.connection.person]

    def hearing(self, shown: Shown) -> list[Member]:
        """Those who hear of a change."""
        if shown.others == shown.own:
            return self.everybody() if shown.others else []
        theirs = self._by_person().get(shown.person, {})
        if shown.own:
            return list(theirs)
        return [member for member in self.members if member not in theirs]

    def everybody(self) -> list[Member]:
        """All of them; not to be changed."""
        if self._all is None:
            self._all = list(self.members)
        return self._all

    def _by_person(self) -> dict[str, dict[Member, None]]:
        """Made when it is first asked for: in most rooms nothing is about one person."""
        if self._people is None:
            self._people = {}
            for member in self.members:
                self._people.setdefault(member.connection.person, {})[member] = None
        return self._people


@dataclass(frozen=True, slots=True)
class Queued:
    """A change on its way to a room, with what was typed where it is an edit."""

    change: LoggedChange
    edit: Any = None


class Owner(Protocol):
    """What a room asks of its house."""

    frames: Frames
    position: int  # every change up to this number is in the queues of its rooms

    def too_slow(self, member: Member) -> bool: ...
    def hold(self, member: Member) -> None: ...


class LiveRoom:
    """A room that somebody is in.

    Attributes:
        last: The number of its latest change that was sent to all who are live.
        latest: Of the room of a resource: the change by which it was decided who may enter.
        checkpoint: The number that everybody live was told to resume from, at least.
        count: How many are in it, live or not.
        present: Those who entered with presence.
    """

    __slots__ = (
        "_at",
        "_frame",
        "_joining",
        "_now",
        "_owner",
        "_rest",
        "_unweighed",
        "checkpoint",
        "count",
        "halls",
        "last",
        "latest",
        "present",
        "queue",
        "spec",
    )

    def __init__(self, owner: Owner, spec: Room) -> None:
        self._owner, self.spec = owner, spec
        self.last = self.checkpoint = owner.position
        self.latest: LoggedChange | None = None
        self.count = 0
        self.halls: dict[Audience, Hall] = {}
        self.queue: deque[Queued] = deque()
        self.present: dict[Member, None] = {}
        self._joining: list[Member] = []
        self._now: Queued | None = None  # what is being sent
        self._frame: Frame | None = None
        self._rest: list[Member] = []  # who gets it, from `_at` on
        self._at = self._unweighed = 0

    @property
    def position(self) -> int:
        """Every change up to this number was sent to those who are live, or is of other rooms."""
        return self.queue[0].change.number - 1 if self.queue else self._owner.position

    def admits(self, member: Member) -> bool:
        """Whether somebody is up to date: has all that was sent, and nothing that is to be."""
        return self.last <= member.position <= self.position

    def admit(self, member: Member) -> None:
        """Makes somebody live who is up to date."""
        if self._now is None:
            self._place(member)
        else:
            member.state = State.JOINING
            self._joining.append(member)

    def suspend(self, member: Member, position: int) -> None:
        """Lets somebody fall behind who has every event up to a number."""
        self._displace(member)
        member.position = member.told = position
        member.state = State.BEHIND

    def leave(self, member: Member) -> None:
        """For good: nothing is sent to it any more."""
        self._displace(member)
        member.state = State.GONE
        self.present.pop(member, None)
        self.count -= 1

    def move(self, member: Member, before: Audience | None) -> None:
        """Puts somebody whose audience is another now where it belongs."""
        if member.state is State.LIVE and before is not None:
            self._take_out(member, before)
            self._place(member)

    def live(self) -> Iterator[Member]:
        """Everybody who is live."""
        for hall in self.halls.values():
            yield from hall.everybody()

    def turn(self, most: int) -> int:
        """Sends what is to be sent, about `most` times at most; how many times it did."""
        sent = 0
        while sent < most and self.queue:
            if self._now is None:
                self._begin(self.queue[0])
            sent += 1 + self._send(most - sent)
        return sent

    def _begin(self, queued: Queued) -> None:
        self._now, self._at = queued, 0
        self._rest = [
            member
            for hall in self.halls.values()
            for member in hall.hearing(hall.audience.shown(queued.change))
        ]
        self._frame = self._made(queued) if self._rest else None

    def _made(self, queued: Queued) -> Frame:
        return self._owner.frames.event(self.spec.name, queued.change, queued.edit)

    def _send(self, most: int) -> int:
        """To the next ones; ends the change after the last of them."""
        chunk, frame = self._rest[self._at : self._at + most], self._frame
        if frame is not None:
            for member in chunk:
                member.send(frame)
        self._at += len(chunk)
        if self._at >= len(self._rest):
            self._finish()
        return len(chunk)

    def _finish(self) -> None:
        """All who were live have it. Those who came meanwhile get it, too."""
        queued, frame, rest = self.queue.popleft(), self._frame, self._rest
        self._now, self._frame, self._rest = None, None, []
        self.last = queued.change.number
        LIVE_EVENTS.inc(len(rest))
        joining, self._joining = self._joining, []
        for member in joining:
            if member.state is State.JOINING:
                frame = self._join(member, queued, frame)
        if frame is not None:
            self._weigh(frame, rest)

    def _join(self, member: Member, queued: Queued, frame: Frame | None) -> Frame | None:
        self._place(member)
        audience = member.connection.audience
        if audience is None or not audience.shows(queued.change, member.connection.person):
            return frame
        frame = frame or self._made(queued)
        member.send(frame)
        return frame

    def _weigh(self, frame: Frame, sent_to: list[Member]) -> None:
        """Those who do not take what they are sent fall behind."""
        self._unweighed += frame.size
        if self._unweighed < _WEIGH_EVERY:
            return
        self._unweighed = 0
        for member in sent_to:
            if member.state is State.LIVE and self._owner.too_slow(member):
                self.suspend(member, self.last)
                self._owner.hold(member)

    def _place(self, member: Member) -> None:
        audience = member.connection.audience
        assert audience is not None  # who is in a room is known
        if audience not in self.halls:
            self.halls[audience] = Hall(audience)
        self.halls[audience].add(member)
        member.state = State.LIVE
        member.send = member.take if member.window else member.connection.peer.send

    def _displace(self, member: Member) -> None:
        member.send = nothing
        audience = member.connection.audience
        if member.state is State.LIVE and audience is not None:
            self._take_out(member, audience)

    def _take_out(self, member: Member, audience: Audience) -> None:
        hall = self.halls[audience]
        hall.remove(member)
        if not hall.members:
            del self.halls[audience]
