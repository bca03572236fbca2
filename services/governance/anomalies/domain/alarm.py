"""What a detector says of a point. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

LARGEST = 1e15  # of a value, up or down: sums and differences stay exact enough


class Kind(StrEnum):
    """The shape of what is unusual."""

    SPIKE = "spike"  # one point, or a few, far above what was expected
    DROP = "drop"  # far below
    SUSTAINED = "sustained"  # neither far nor short: a level, a slope or a spread that stays


class Severity(StrEnum):
    """How unusual it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An unusual point.

    Attributes:
        value: What was observed.
        expected: What would have been usual at this moment, in the unit of the series.
        score: How far above the bar for alarms, 1 is just there. Without unit.
        since: When the series began to be unusual.
    """

    kind: Kind
    severity: Severity
    value: float
    expected: float
    score: float
    since: datetime


class Detector(Protocol):
    """Judges a series, point by point in the order of time; a point is judged by those before it
    and learned afterwards."""

    score: float  # of the last point: 1 and more is an alarm

    def update(self, moment: datetime, value: float) -> Alarm | None:
        """The alarm that the point raises, if any.

        Raises:
            ValueError: The value is not a number, or beyond LARGEST.
        """

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON; `from_state` of its class goes on from there."""


def checked(value: float) -> float:
    """The value, if a detector takes it; raises ValueError."""
    if not -LARGEST <= value <= LARGEST:  # false for NaN, too
        raise ValueError("a value must be a number between -1e15 and 1e15")
    return value


def finite(value: Any) -> float:
    """A number of a stored state; raises ValueError for anything else."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a stored number is not finite")
    return number
