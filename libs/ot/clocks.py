"""Hybrid logical clocks (Kulkarni et al., OPODIS 2014), and fields whose latest value stays. Pure.

A clock follows the machine's, never goes back, and is ahead of every time that it was told of. Its
time stays within the skew of the machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

MOST_AHEAD = 60_000  # milliseconds that a time may be ahead of the machine's, to be believed
_MOST_COUNTED = 2**31 - 1  # what the contract's counter holds


class Time(NamedTuple):
    """Milliseconds since 1970, and what tells apart times within one. Ordered."""

    milliseconds: int
    counter: int = 0


NEVER = Time(0)


def tick(last: Time, now: int) -> Time:
    """The time of something that happens here: later than `last`. `now` is the machine's."""
    return Time(now) if now > last.milliseconds else _next(last)


def hear(last: Time, told: Time, now: int) -> Time:
    """The clock once it was told of a time elsewhere: later than both."""
    latest = max(last, told)
    return Time(now) if now > latest.milliseconds else _next(latest)


def is_believable(told: Time, now: int) -> bool:
    """Whether a time is no further ahead than clocks differ: others would bring all ahead."""
    return told.milliseconds <= now + MOST_AHEAD


def _next(time: Time) -> Time:
    if time.counter < _MOST_COUNTED:
        return Time(time.milliseconds, time.counter + 1)
    return Time(time.milliseconds + 1)


@dataclass(frozen=True, slots=True)
class Written:
    """A value and when it was written; None for a field that was removed."""

    value: str | None
    time: Time

    def is_after(self, other: "Written") -> bool:
        """Whether this one stays of the two: at equal times the greater text, before none."""
        mine = (self.time, self.value is not None, self.value or "")
        return mine > (other.time, other.value is not None, other.value or "")


Fields = Mapping[str, Written]  # removed ones too: what comes late must not bring them back


def merge(fields: Fields, edits: Fields) -> tuple[Fields, Fields]:
    """The fields after edits, in whatever order these come; and those edits that changed one."""
    changed = {
        name: edit
        for name, edit in edits.items()
        if name not in fields or edit.is_after(fields[name])
    }
    return {**fields, **changed}, changed


def latest(fields: Fields) -> Time:
    """When one of them was written or removed last: who has read them writes later than that."""
    return max((each.time for each in fields.values()), default=NEVER)


def values(fields: Fields) -> dict[str, str]:
    """What there is to see."""
    return {name: each.value for name, each in fields.items() if each.value is not None}
