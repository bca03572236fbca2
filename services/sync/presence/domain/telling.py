"""What a room is told, and when: everything soon where few are, a part of it where many are. Pure;
times are in seconds of any steady clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.sync.presence.domain.members import Counts, Member, is_large

_SOON, _SECOND = 0.1, 1.0  # seconds between two updates of a room
_PEOPLE = 50  # that a large room hears of in a second


@dataclass(frozen=True, slots=True)
class Update:
    """What changed in a room; `partial`: the counts are of one replica alone."""

    changes: tuple[Member, ...]
    counts: Counts
    partial: bool


@dataclass(slots=True)
class Telling:
    """Changes that a room is still to be told: of each connection the latest."""

    _pending: dict[str, Member] = field(default_factory=dict)
    _told: tuple[Counts, bool] | None = None  # how many were told last, and whether of all
    _next: float = float("-inf")

    def add(self, member: Member, counts: Counts) -> None:
        """Notes a change, the latest of its connection; a large room forgets those before."""
        self._pending.pop(member.connection, None)
        self._pending[member.connection] = member
        if is_large(counts):
            while len(self._pending) > _PEOPLE:
                del self._pending[next(iter(self._pending))]

    def repeat(self) -> None:
        """Somebody has not heard of the counts yet."""
        self._told = None

    def due(self, counts: Counts, partial: bool) -> float | None:
        """When to tell; None while there is nothing to tell."""
        return self._next if self._pending or self._told != (counts, partial) else None

    def take(self, now: float, counts: Counts, partial: bool) -> Update | None:
        """What to tell now, if it is time."""
        due = self.due(counts, partial)
        if due is None or due > now:
            return None
        large = is_large(counts)
        changes = _latest(self._pending, _PEOPLE) if large else tuple(self._pending.values())
        self._pending.clear()
        self._told, self._next = (counts, partial), now + (_SECOND if large else _SOON)
        return Update(changes, counts, partial)


def _latest(pending: Mapping[str, Member], most: int) -> tuple[Member, ...]:
    return tuple(pending.values())[-most:]
