"""Connections that are known, and their places in rooms."""

from __future__ import annotations  # a member and its room know each other

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from libs.auth import Identity
from libs.metrics import LIVE_ENDED
from services.sync.live.audience import Audience
from services.sync.live.domain.endings import Ending
from services.sync.live.ports import Frame, Peer
from services.sync.live.settings import LiveSettings

if TYPE_CHECKING:
    from services.sync.live.rooms import LiveRoom


_GLANCE = 0.5  # seconds between two looks at whether one that rests has ended


class Taking:
    """Whether a client for which much waits goes on taking it: half of what may wait, at least,
    within the time that it is waited for."""

    __slots__ = ("_since", "_waited")

    def __init__(self, peer: Peer, now: float) -> None:
        self._since, self._waited = now, peer.waiting

    def is_late(self, peer: Peer, now: float, settings: LiveSettings) -> bool:
        """Whether it has taken too little for too long."""
        if now - self._since < settings.patience.total_seconds():
            return False
        taken, self._since, self._waited = self._waited - peer.waiting, now, peer.waiting
        return taken < settings.waiting_bytes // 2


class State(Enum):
    """Where somebody in a room gets events from."""

    NEW = auto()  # from nowhere yet
    BEHIND = auto()  # from the log, or from nowhere as long as too much waits
    JOINING = auto()  # from the room, as soon as the change that is being sent is sent
    LIVE = auto()  # from the room
    GONE = auto()


class Connection:
    """A connection that is known, and the rooms that it is in.

    Attributes:
        heard_at, ends_at: Of the loop's clock: when something came last, when the token expires.
    """

    __slots__ = ("audience", "ended", "ends_at", "heard_at", "identity", "name", "peer", "rooms")

    def __init__(self, name: str, peer: Peer, heard_at: float) -> None:
        self.name, self.peer, self.heard_at = name, peer, heard_at
        self.ends_at, self.ended = 0.0, False
        self.identity: Identity | None = None
        self.audience: Audience | None = None
        self.rooms: dict[str, Member] = {}

    @property
    def person(self) -> str:
        """In whose name it is; "" as long as that is not known."""
        return self.identity.subject if self.identity else ""

    async def rest(self, seconds: float) -> None:
        """Sleeps so long, or little longer than until it has ended."""
        while seconds > 0 and not self.ended:
            self.peer.look()
            await asyncio.sleep(min(seconds, _GLANCE))
            seconds -= _GLANCE

    def dismiss(self, ending: Ending) -> None:
        """Ends it, once."""
        if not self.ended:
            self.ended = True
            LIVE_ENDED.labels(ending.error.reason).inc()
            self.peer.end(ending)


class Member:
    """A connection in a room.

    Attributes:
        send: What takes the room's events.
        position: While it is not live: every event of the room up to this number was sent.
        told: The number that the client knows to resume from; None: it waits to be told that it is
            up to date.
        acknowledged: The number up to which it has dealt with everything, as far as it said so.
        window: How many events it takes without acknowledging; 0 for any number.
        flight: The numbers of those, with a window.
        cursor: Of a snapshot under way: the name of the last resource that was sent.
    """

    __slots__ = (
        "acknowledged",
        "connection",
        "cursor",
        "flight",
        "position",
        "presence",
        "room",
        "send",
        "state",
        "told",
        "window",
    )

    def __init__(
        self, connection: Connection, room: LiveRoom, position: int, window: int, presence: bool
    ) -> None:
        self.connection, self.room = connection, room
        self.position = self.acknowledged = position
        self.told: int | None = position
        self.window, self.presence = window, presence
        self.flight: deque[int] | None = deque() if window else None
        self.cursor: str | None = None
        self.state = State.NEW
        self.send: Callable[[Frame], None] = nothing

    @property
    def full(self) -> bool:
        """Whether it has as many events as it takes without acknowledging."""
        return self.flight is not None and len(self.flight) >= self.window

    def take(self, frame: Frame) -> None:
        """Sends an event to one who has a window; one that is full falls behind."""
        if self.full:
            self.room.suspend(self, frame.number - 1)
            return
        if self.flight is not None:
            self.flight.append(frame.number)
        self.connection.peer.send(frame)

    def acknowledge(self, number: int) -> None:
        """Every event up to this number was dealt with."""
        self.acknowledged = max(self.acknowledged, number)
        while self.flight and self.flight[0] <= number:
            self.flight.popleft()


def nothing(frame: Frame) -> None:
    """Takes no events."""
