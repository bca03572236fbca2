"""What an index is asked to let through: by the ids and times that its points hold, or by what the
rows of their entities hold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.aip.filtering import Condition as RowCondition


@dataclass(frozen=True, slots=True)
class Until:
    """A time that is not after `at`, or none."""

    at: datetime


@dataclass(frozen=True, slots=True)
class After:
    """A time that is after `at`, or none."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """An entity for whose row all conditions hold. `table` is SQL from our own code, of a table in
    the shard with the key (tenant_id, id)."""

    table: str
    comparisons: tuple[RowCondition, ...]


Condition = Sequence[str] | Until | After | Rows

# Each key must hold one of its values, where a point without the key holds ""; or such a time. The
# key of Rows means nothing.
Filter = Mapping[str, Condition]


def time_text(at: datetime) -> str:
    """A time as points hold it: RFC 3339 in UTC to the microsecond, ordered as times are."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
