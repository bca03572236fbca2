"""What an index is asked to let through: the ids and times that its points hold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Until:
    """A time that is not after `at`, or none."""

    at: datetime


@dataclass(frozen=True, slots=True)
class After:
    """A time that is after `at`, or none."""

    at: datetime


# Each key must hold one of its values, where a point without the key holds ""; or such a time.
Filter = Mapping[str, Sequence[str] | Until | After]


def time_text(at: datetime) -> str:
    """A time as points hold it: RFC 3339 in UTC to the microsecond, ordered as times are."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
