"""When a surprise becomes an alarm: not again for the same thing, and less easily in a series that
keeps raising alarms. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, pow
from typing import Any

from services.governance.anomalies.domain.alarm import finite

_REST = 90  # points after an alarm in which only what is much worse raises another
_WORSE = 1.5  # times the surprise of the alarm
_GOES_ON = 0.5  # of it: while the surprise is above, it is the same anomaly,
_GOING_ON = 45  # and the rest lasts this many points longer
_FORGET = 5000.0  # points after which an alarm counts 1/e
_POWER = 1.25


@dataclass(frozen=True, slots=True)
class Bar:
    """Attributes:
    height: The surprise that raises an alarm in a series that raised none.
    fatigue: How much higher each alarm makes it, as a share; alarms fade.
    warm_up: Points before the first alarm.
    """

    height: float
    fatigue: float
    warm_up: int


class Patience:
    """Follows one series."""

    __slots__ = ("_alarms", "_bar", "_level", "_rest")

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._alarms, self._rest, self._level = 0.0, 0, 0.0

    def score(self, surprise: float, place: int) -> float:
        """How far above the bar, 1 and more is an alarm; 0 for what is part of the last one.

        Args:
            surprise: Of the point, summed over all kinds of deviations.
            place: How many points came before.
        """
        score = surprise / (self._bar.height * (1 + self._bar.fatigue * pow(self._alarms, _POWER)))
        if self._rest > 0:
            self._rest -= 1
            if surprise > self._level * _GOES_ON:
                self._rest = max(self._rest, _GOING_ON)
            if surprise < self._level * _WORSE:
                score = 0.0
        if place <= self._bar.warm_up:
            score = min(score, 0.999)
        elif score >= 1:
            self._alarms += 1
            self._rest, self._level = _REST, surprise
        self._alarms *= _FADE
        return score

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {"alarms": self._alarms, "rest": self._rest, "level": self._level}

    @classmethod
    def from_state(cls, bar: Bar, state: Mapping[str, Any]) -> "Patience":
        """Goes on where `state` was taken; KeyError, TypeError or ValueError: it is none."""
        patience = cls(bar)
        patience._alarms = max(finite(state["alarms"]), 0.0)
        patience._rest, patience._level = int(state["rest"]), finite(state["level"])
        return patience


_FADE = exp(-1 / _FORGET)
