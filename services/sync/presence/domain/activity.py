"""What time makes of somebody who does nothing. Pure; times are in seconds of any steady clock."""

from dataclasses import dataclass

from services.sync.presence.domain.members import State


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many seconds without activity somebody is idle, and without any sign offline."""

    idle: float = 60.0
    offline: float = 90.0


@dataclass(slots=True)
class Activity:
    """When somebody was last heard of, and last did something in a room.

    Attributes:
        away: Idle by the client's own word, until it says otherwise.
        due: When to look next what time has made of it.
    """

    heard: float
    active: float
    away: bool = False
    due: float = 0.0

    def state(self, now: float, patience: Patience) -> State:
        """What the person does by now; a clock that went back changes nothing."""
        if now >= max(self.heard, self.active) + patience.offline:
            return State.OFFLINE
        if self.away or now >= self.active + patience.idle:
            return State.IDLE
        return State.ACTIVE

    def turns(self, now: float, patience: Patience) -> float:
        """When time alone changes the state next."""
        if self.state(now, patience) is State.ACTIVE:
            return self.active + patience.idle
        return max(self.heard, self.active) + patience.offline
