"""The adaptive detector: several views of a series, each of which knows what usually surprises it.

A point is looked at in eleven ways: its step from the point before, its height above and depth
below a slow mean, its distance from what is usual at this time of the day or week, from a fast
mean, the distances that last (means of the seasonal ones), shifts between means of three speeds,
and the spread. Their surprises are summed: what is rare in several ways at once is an anomaly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.governance.anomalies.domain.alarm import Alarm, Kind, Severity, checked, finite
from services.governance.anomalies.domain.patience import Bar, Patience
from services.governance.anomalies.domain.season import Season
from services.governance.anomalies.domain.surprise import Surprises

_VIEWS = 11
_LEAST = 0.0025  # of level and range together: smaller deviations are none
_TINY = 1e-9
_SLOW = 1 / 250  # weight of the newest point in the slow mean
_RAISED = 0.5  # of the bar: from here on the series is unusual
_SOME, _LONG = 3, 12  # unusual points in a row: sustained, and worth telling once more
_MEDIUM, _HIGH = 1.5, 2.25  # scores


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants that were chosen by measuring (`make bench-anomaly`); lengths in points.

    Attributes:
        fast, middle: Of the means that shifts are seen in.
        share: Of the deviations of a kind that are worth a look.
        height: The mean surprise over all views that raises an alarm.
        fatigue: How much higher each alarm makes the bar.
    """

    fast: int = 14
    middle: int = 50
    share: float = 0.04
    height: float = 0.95
    fatigue: float = 0.15


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Attributes:
    sensitivity: 1 is as measured; 2 halves the bar, 0.5 doubles it.
    floor: Deviations up to this, in the unit of the series, are none.
    warm_up: Points that are only learned.
    """

    sensitivity: float = 1.0
    floor: float = 0.0
    warm_up: int = 288
    tuning: Tuning = Tuning()

    @property
    def bar(self) -> Bar:
        height = self.tuning.height * _VIEWS / self.sensitivity
        return Bar(height, self.tuning.fatigue, self.warm_up)


class AdaptiveDetector:
    """`Detector`; remembers some numbers and two profiles, however long the series is.

    What was an alarm and is still unusual an hour of points later is told once more, as sustained,
    though its score is that of the first alarm's rest.
    """

    __slots__ = (
        "_bar",
        "_fast",
        "_fast_weight",
        "_floor",
        "_high",
        "_last",
        "_lasted",
        "_lasting",
        "_lasting_long",
        "_low",
        "_middle",
        "_middle_weight",
        "_patience",
        "_place",
        "_season",
        "_since",
        "_slow",
        "_spread",
        "_surprises",
        "_told",
        "_usual",
        "score",
        "surprise",
    )

    def __init__(self, settings: Adaptive = Adaptive()) -> None:
        tuning = settings.tuning
        self._bar = settings.bar.height
        self._fast_weight, self._middle_weight = 2 / (tuning.fast + 1), 2 / (tuning.middle + 1)
        self._floor = max(settings.floor, _TINY)
        self._surprises = Surprises(_VIEWS, tuning.share)
        self._patience = Patience(settings.bar)
        self._season = Season()
        self._place, self.score, self.surprise = 0, 0.0, 0.0
        self._since: datetime | None = None
        self._lasted, self._told = 0, 0.0  # how long, and how far away when it was told
        self._last = self._fast = self._middle = self._slow = self._low = self._high = 0.0
        self._usual = self._spread = self._lasting = self._lasting_long = 0.0

    def update(self, moment: datetime, value: float) -> Alarm | None:
        """See `Detector`."""
        checked(value)
        if not self._place:
            self._last = self._fast = self._middle = self._slow = self._low = self._high = value
        minute = moment.weekday() * 1440 + moment.hour * 60 + moment.minute
        residual = self._season.residual(minute, value, self._slow)
        least = self._floor + _LEAST * (abs(self._slow) + self._high - self._low)
        deviations = self._deviations(value, residual)
        surprises = self._surprises.of(deviations, self._place, least)
        self.surprise = surprise = sum(surprises)
        self.score = self._patience.score(surprise, self._place)
        self._learn(value)
        self._follow(moment, surprise, value)
        if self.score < 1 and not (self._told and self._lasted == _LONG):
            return None
        if not self._told:
            self._told, self._usual = residual, value - residual
        score = max(self.score, surprise / self._bar)
        return self._alarm(moment, value, value - residual, score)

    def _follow(self, moment: datetime, surprise: float, value: float) -> None:
        """Since when, and for how many points, the series has been unusual: after an alarm it
        still is while it stays half as far away from what was usual then."""
        if self._told:
            unusual = (value - self._usual) / self._told > 0.5
        else:
            unusual = surprise >= self._bar * _RAISED
        if unusual:
            self._since = self._since or moment
            self._lasted += 1
        else:
            self._since, self._lasted, self._told = None, 0, 0.0

    def _alarm(self, moment: datetime, value: float, expected: float, score: float) -> Alarm:
        """What has been unusual for some points is sustained, whatever its height."""
        kind = Kind.SPIKE if value > expected else Kind.DROP
        if self._lasted >= _SOME:
            kind = Kind.SUSTAINED
        return Alarm(kind, _severity(score), value, expected, score, self._since or moment)

    def _deviations(self, value: float, residual: float) -> tuple[float, ...]:
        """In the order of the views; moves all means but the slow one."""
        fast, slow = self._fast, self._slow
        weight, middle_weight = self._fast_weight, self._middle_weight
        above, beside = value - slow, abs(value - fast)
        self._lasting += (residual - self._lasting) * weight
        self._lasting_long += (residual - self._lasting_long) * middle_weight
        self._spread += (beside - self._spread) * weight
        self._fast = fast = fast + (value - fast) * weight
        self._middle = middle = self._middle + (value - self._middle) * middle_weight
        return (
            abs(value - self._last),
            above if above > 0 else 0.0,
            -above if above < 0 else 0.0,
            abs(residual),
            beside,
            abs(self._lasting),
            abs(self._lasting_long),
            abs(fast - slow),
            abs(middle - slow),
            abs(fast - middle),
            self._spread,
        )

    def _learn(self, value: float) -> None:
        self._place += 1
        self._slow += (value - self._slow) * max(_SLOW, 1 / self._place)
        self._last = value
        if value < self._low:
            self._low = value
        elif value > self._high:
            self._high = value

    def state(self) -> dict[str, Any]:
        """See `Detector`."""
        return {
            "place": self._place,
            "since": self._since.isoformat() if self._since else None,
            "lasted": self._lasted,
            "told": self._told,
            "means": {name: getattr(self, f"_{name}") for name in _MEANS},
            "season": self._season.state(),
            "surprises": self._surprises.state(),
            "patience": self._patience.state(),
        }

    @classmethod
    def from_state(cls, settings: Adaptive, state: Mapping[str, Any]) -> "AdaptiveDetector":
        """Goes on where `state` was taken; KeyError, TypeError or ValueError: it is none."""
        detector = cls(settings)
        detector._place = int(state["place"])
        detector._since = datetime.fromisoformat(state["since"]) if state["since"] else None
        detector._lasted, detector._told = int(state["lasted"]), finite(state["told"])
        for name in _MEANS:
            setattr(detector, f"_{name}", finite(state["means"][name]))
        detector._season = Season.from_state(state["season"])
        share = settings.tuning.share
        detector._surprises = Surprises.from_state(_VIEWS, share, state["surprises"])
        detector._patience = Patience.from_state(settings.bar, state["patience"])
        return detector


_MEANS = (
    "last",
    "fast",
    "middle",
    "slow",
    "low",
    "high",
    "spread",
    "lasting",
    "lasting_long",
    "usual",
)


def _severity(score: float) -> Severity:
    if score < _MEDIUM:
        return Severity.LOW
    return Severity.MEDIUM if score < _HIGH else Severity.HIGH
