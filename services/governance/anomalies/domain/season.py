"""What a series usually is at this time of the day and of the week. Pure, in constant memory."""

from collections.abc import Mapping
from typing import Any

from services.governance.anomalies.domain.alarm import finite

_DAY, _WEEK = 288, 336  # places: of 5 minutes in a day, of 30 minutes in a week
_DAY_MINUTES, _WEEK_MINUTES = 5, 30
_LEARN = 0.2  # of what differs from the usual at this time of the day
_WEEKS = 3.0  # that the usual of a time of the week is the mean of
_SKILL = 0.01  # weight of the newest in the mean errors that choose between day and week
_BETTER = 0.9  # of the day's error: the week has to be better by this


class Season:
    """Learns a profile of the day and one of the week, and goes by the one that errs less.

    At each time of the day what was usual a little before or after is usual as well: days are not
    run by a clock to the minute.
    """

    __slots__ = ("_day", "_day_error", "_week", "_week_count", "_week_error")

    def __init__(self) -> None:
        self._day: list[float | None] = [None] * _DAY
        self._week: list[float | None] = [None] * _WEEK
        self._week_count = [0.0] * _WEEK
        self._day_error = self._week_error = -1.0  # not known yet

    def residual(self, minute: int, value: float, otherwise: float) -> float:
        """How far the value is from what is usual at this minute of the week (0 is Monday 0:00),
        or from `otherwise` while nothing is known; then learns it."""
        day, week = (minute // _DAY_MINUTES) % _DAY, minute // _WEEK_MINUTES
        found = value - otherwise
        near = self._day[day - 1], self._day[day], self._day[(day + 1) % _DAY]
        known = [each for each in near if each is not None]
        if known:
            found = _outside(value, min(known), max(known))
            self._day_error = _mean(self._day_error, found)
        usual = self._week[week]
        if usual is not None:
            self._week_error = _mean(self._week_error, value - usual)
            if self._week_count[week] >= 2 and 0 <= self._week_error < self._day_error * _BETTER:
                found = value - usual
        self._learn(day, week, value)
        return found

    def _learn(self, day: int, week: int, value: float) -> None:
        usual = self._day[day]
        self._day[day] = value if usual is None else usual + (value - usual) * _LEARN
        usual = self._week[week]
        if usual is None:
            self._week[week], self._week_count[week] = value, 1.0
            return
        count = min(self._week_count[week] + 0.5, _WEEKS)
        self._week[week], self._week_count[week] = usual + (value - usual) / count, count

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {
            "day": _rounded(self._day),
            "week": _rounded(self._week),
            "week_count": self._week_count,
            "errors": [self._day_error, self._week_error],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Season":
        """Goes on where `state` was taken; KeyError, TypeError or ValueError: it is none."""
        season = cls()
        season._day = _profile(state["day"], _DAY)
        season._week = _profile(state["week"], _WEEK)
        season._week_count = [finite(each) for each in state["week_count"]]
        season._day_error, season._week_error = map(finite, state["errors"])
        if len(season._week_count) != _WEEK:
            raise ValueError("a stored profile has another length")
        return season


def _outside(value: float, low: float, high: float) -> float:
    if value > high:
        return value - high
    return value - low if value < low else 0.0


def _mean(mean: float, error: float) -> float:
    error = abs(error)
    return error if mean < 0 else mean + (error - mean) * _SKILL


def _rounded(profile: list[float | None]) -> list[float | None]:
    """To six digits: a profile is no more exact than that, and is stored often."""
    return [None if each is None else float(f"{each:.6g}") for each in profile]


def _profile(values: list[Any], length: int) -> list[float | None]:
    if len(values) != length:
        raise ValueError("a stored profile has another length")
    return [None if each is None else finite(each) for each in values]
