"""What both detectors find, and what they leave alone."""

import json
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.governance.anomalies.domain.adaptive import Adaptive, AdaptiveDetector
from services.governance.anomalies.domain.alarm import Alarm, Detector, Kind, Severity
from services.governance.anomalies.domain.sigma import SigmaDetector, SigmaRule

_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
_STEP = timedelta(minutes=5)
_DAY = 288
MAKERS: list[Callable[[], Detector]] = [AdaptiveDetector, SigmaDetector]

values = st.floats(-1e15, 1e15) | st.sampled_from([0.0, 1.0, -1.0, 1e-300, 5.0])


def noise(count: int, seed: int = 1, level: float = 100.0, spread: float = 2.0) -> list[float]:
    random = Random(seed)
    return [random.gauss(level, spread) for _ in range(count)]


def day_and_night(days: int, seed: int = 1) -> list[float]:
    """100 at night, 200 by day, with noise; twice as much as noise in the steps between."""
    random = Random(seed)
    return [
        random.gauss(200 if 100 <= place % _DAY < 200 else 100, 2) for place in range(days * _DAY)
    ]


def feed(detector: Detector, series: Iterable[float], begin: int = 0) -> list[tuple[int, Alarm]]:
    """The alarms and where they are."""
    found = []
    for place, value in enumerate(series, begin):
        alarm = detector.update(_START + place * _STEP, value)
        if alarm:
            found.append((place, alarm))
    return found


@pytest.mark.parametrize(("change", "kind"), [(60.0, Kind.SPIKE), (-60.0, Kind.DROP)])
@pytest.mark.parametrize("make", MAKERS)
def test_a_point_far_away_is_found_at_once(
    make: Callable[[], Detector], change: float, kind: Kind
) -> None:
    detector = make()
    feed(detector, noise(1000))

    ((place, alarm),) = feed(detector, [100 + change], begin=1000)

    assert (place, alarm.kind, alarm.severity) == (1000, kind, Severity.HIGH)
    assert alarm.value == 100 + change
    assert alarm.expected == pytest.approx(100, abs=10)
    assert alarm.since == _START + 1000 * _STEP


@pytest.mark.parametrize("make", MAKERS)
def test_a_point_is_not_part_of_what_it_is_held_against(make: Callable[[], Detector]) -> None:
    """With the point in a window of ten no deviation could reach 2.85 standard deviations."""
    detector = make()
    feed(detector, noise(400))

    ((_, alarm),) = feed(detector, [1e9], begin=400)

    assert alarm.score > 2


def test_a_level_that_stays_is_told_at_once_and_once_more() -> None:
    detector = AdaptiveDetector()
    feed(detector, noise(1000))

    alarms = feed(detector, noise(60, seed=2, level=150), begin=1000)

    assert [(place, alarm.kind) for place, alarm in alarms] == [
        (1000, Kind.SPIKE),
        (1011, Kind.SUSTAINED),
    ]
    assert alarms[1][1].since == _START + 1000 * _STEP


def test_a_slope_is_found_once_it_lasts() -> None:
    detector = AdaptiveDetector()
    feed(detector, noise(1000))

    slope = [value + place * 0.3 for place, value in enumerate(noise(60, seed=2))]
    alarms = feed(detector, slope, begin=1000)

    assert alarms[0][0] < 1030
    assert {alarm.kind for _, alarm in alarms} == {Kind.SUSTAINED}


def test_the_plain_rule_calls_a_row_sustained() -> None:
    detector = SigmaDetector()
    feed(detector, noise(500))

    kinds = [alarm.kind for _, alarm in feed(detector, [130.0] * 4, begin=500)]

    assert kinds == [Kind.SPIKE, Kind.SPIKE, Kind.SUSTAINED, Kind.SUSTAINED]


def test_days_are_no_anomalies_and_a_day_that_does_not_come_is_one() -> None:
    detector = AdaptiveDetector()

    learning = feed(detector, day_and_night(10))
    assert len(learning) <= 4  # in 2880 points
    quiet = [100.0 + (place % 7) for place in range(_DAY)]
    alarms = feed(detector, quiet, begin=10 * _DAY)

    assert alarms
    assert 100 <= alarms[0][0] - 10 * _DAY <= 130
    assert alarms[0][1].kind in (Kind.DROP, Kind.SUSTAINED)
    assert alarms[0][1].expected > alarms[0][1].value


def test_weekends_are_learned() -> None:
    """The first weekend is news, the fourth hardly any."""
    random = Random(3)
    series = [
        random.gauss(50 if place // _DAY % 7 >= 5 else 100, 2) for place in range(4 * 7 * _DAY)
    ]

    alarms = feed(AdaptiveDetector(), series)

    def strongest(week: int) -> float:
        begin = (5 + 7 * week) * _DAY
        found = [alarm.score for place, alarm in alarms if begin <= place < begin + 2 * _DAY]
        return max(found, default=0.0)

    assert strongest(3) < strongest(0) / 2


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("level", [0.0, 45.0, -3.0])
def test_a_flat_series_raises_nothing_until_it_changes(
    make: Callable[[], Detector], level: float
) -> None:
    detector = make()

    assert feed(detector, [level] * 1000) == []
    assert feed(detector, [level + 10], begin=1000)


@pytest.mark.parametrize(
    "detector",
    [AdaptiveDetector(Adaptive(floor=5)), SigmaDetector(SigmaRule(floor=5))],
)
def test_small_deviations_are_left_alone(detector: Detector) -> None:
    feed(detector, [10.0] * 500)

    assert feed(detector, [14.0], begin=500) == []


def test_nothing_is_raised_while_it_warms_up() -> None:
    random = Random(5)
    series = [random.choice([0.0, 1.0, 50.0, 1e6]) for _ in range(288)]

    assert feed(AdaptiveDetector(), series) == []
    assert feed(SigmaDetector(), series[:10]) == []


def test_a_series_that_keeps_raising_alarms_has_to_be_louder() -> None:
    detector = AdaptiveDetector()
    series = noise(6000)
    for place in range(500, 6000, 150):
        series[place] += 14

    alarms = feed(detector, series)

    assert 500 in [place for place, _ in alarms]
    assert len(alarms) < 20  # of 37


def test_sensitivity_moves_the_bar() -> None:
    series = noise(4000)
    for place in range(1000, 4000, 300):
        series[place] += 9

    counts = [
        len(feed(AdaptiveDetector(Adaptive(sensitivity)), series)) for sensitivity in (0.5, 1, 2)
    ]

    assert counts[0] < counts[1] < counts[2]


@given(st.lists(values, max_size=80))
@pytest.mark.parametrize("make", MAKERS)
def test_any_numbers_are_taken(make: Callable[[], Detector], series: list[float]) -> None:
    detector = make()

    for place, value in enumerate(series):
        detector.update(_START + place * _STEP, value)
        assert math.isfinite(detector.score)
        assert detector.score >= 0
    json.dumps(detector.state(), allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e16])
@pytest.mark.parametrize("make", MAKERS)
def test_what_is_no_number_is_refused_and_changes_nothing(
    make: Callable[[], Detector], value: float
) -> None:
    detector = make()
    feed(detector, noise(50))
    before = detector.state()

    with pytest.raises(ValueError, match="number"):
        detector.update(_START + 50 * _STEP, value)

    assert detector.state() == before


@pytest.mark.parametrize("cut", [0, 1, 30, 700])
def test_a_state_goes_on_where_it_was_taken(cut: int) -> None:
    series = day_and_night(4, seed=9)
    series[1000] += 500
    rule, plain = Adaptive(), SigmaRule()
    first, second = AdaptiveDetector(rule), SigmaDetector(plain)
    feed(first, series[:cut])
    feed(second, series[:cut])

    again = AdaptiveDetector.from_state(rule, json.loads(json.dumps(first.state())))
    plain_again = SigmaDetector.from_state(plain, json.loads(json.dumps(second.state())))

    assert _places(again, series, cut) == _places(first, series, cut)
    assert _places(plain_again, series, cut) == _places(second, series, cut)


def test_the_state_does_not_grow() -> None:
    detector = AdaptiveDetector()
    feed(detector, day_and_night(8))
    size = len(json.dumps(detector.state()))

    feed(detector, day_and_night(30), begin=8 * _DAY)

    assert len(json.dumps(detector.state())) < 1.1 * size < 20_000


def _places(detector: Detector, series: list[float], cut: int) -> list[tuple[int, Kind]]:
    alarms = feed(detector, series[cut:], begin=cut)
    return [(place, alarm.kind) for place, alarm in alarms]
