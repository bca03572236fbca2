"""The plain rule: a point is unusual when it is more than so many standard deviations from the mean
of a sliding window that ends before it. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any

from services.governance.anomalies.domain.alarm import Alarm, Kind, Severity, checked, finite

_LEAST = 10  # points before anything is judged
_LONG = 3  # unusual points in a row, to the same side, that are called sustained


@dataclass(frozen=True, slots=True)
class SigmaRule:
    """Attributes:
    window: How many points before it a point is held against.
    factor: Standard deviations from their mean that are unusual.
    floor: Deviations up to this, in the unit of the series, are never unusual: where a window
        does not vary at all every other point is infinitely many deviations away.
    """

    window: int = 100
    factor: float = 2.0
    floor: float = 0.0


class SigmaDetector:
    """`Detector` by that rule; remembers the window and no more."""

    def __init__(self, rule: SigmaRule = SigmaRule()) -> None:
        self._rule, self.score = rule, 0.0
        self._points: deque[float] = deque(maxlen=rule.window)
        self._row, self._since = 0, datetime.min

    def update(self, moment: datetime, value: float) -> Alarm | None:
        """See `Detector`."""
        alarm = self._judge(moment, checked(value))
        self._points.append(value)
        return alarm

    def state(self) -> dict[str, Any]:
        """See `Detector`."""
        return {
            "points": list(self._points),
            "row": self._row,
            "since": self._since.isoformat(),
        }

    @classmethod
    def from_state(cls, rule: SigmaRule, state: Mapping[str, Any]) -> "SigmaDetector":
        """Goes on where `state` was taken; KeyError, TypeError or ValueError: it is none."""
        detector = cls(rule)
        detector._points.extend(map(finite, state["points"]))
        detector._row = int(state["row"])
        detector._since = datetime.fromisoformat(state["since"])
        return detector

    def _judge(self, moment: datetime, value: float) -> Alarm | None:
        if len(self._points) < _LEAST:
            return None
        mean = sum(self._points) / len(self._points)
        spread = sqrt(sum((each - mean) ** 2 for each in self._points) / len(self._points))
        deviations = _deviations(value - mean, spread, self._rule.floor)
        self.score = abs(deviations) / self._rule.factor
        self._count(moment, deviations)
        if self.score <= 1:
            return None
        kind = Kind.SPIKE if deviations > 0 else Kind.DROP
        if abs(self._row) >= _LONG:
            kind = Kind.SUSTAINED
        severity = _severity(abs(deviations) - self._rule.factor)
        return Alarm(kind, severity, value, mean, self.score, self._since)

    def _count(self, moment: datetime, deviations: float) -> None:
        """How many points in a row were unusual, to which side, and since when."""
        if self.score <= 1:
            self._row = 0
            return
        side = 1 if deviations > 0 else -1
        if self._row * side <= 0:
            self._row, self._since = 0, moment
        self._row += side


def _deviations(distance: float, spread: float, floor: float) -> float:
    if abs(distance) <= max(floor, 1e-9 * spread):
        return 0.0
    return distance / max(spread, 1e-12 * abs(distance))


def _severity(beyond: float) -> Severity:
    """By the deviations beyond the bar: of a bar of 2, low up to 3, medium up to 4."""
    if beyond <= 1:
        return Severity.LOW
    return Severity.MEDIUM if beyond <= 2 else Severity.HIGH
