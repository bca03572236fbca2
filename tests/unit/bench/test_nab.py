"""The scoring of anomalies, against values worked out by hand from its publication."""

from datetime import UTC, datetime, timedelta
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.nab import NEVER, PROFILES, Series, above, best_threshold, tally

_STANDARD = PROFILES["standard"]
_START = datetime(2026, 1, 1, tzinfo=UTC)


def series(length: int = 1000, *windows: tuple[int, int]) -> Series:
    moments = [_START + timedelta(minutes=place) for place in range(length)]
    return Series("made/up.csv", moments, [0.0] * length, windows)


def test_alarms_are_worth_more_the_earlier_they_are_in_a_window() -> None:
    one = series(1000, (500, 599))

    worth = [tally(one, [place], _STANDARD).raw for place in (500, 550, 599)]

    first = 2 / (1 + exp(-5.0)) - 1
    middle = 2 / (1 + exp(-5 * 0.5)) - 1
    last = 2 / (1 + exp(-5 * 0.01)) - 1
    assert worth == pytest.approx([1.0, middle / first, last / first])


def test_only_the_first_alarm_of_a_window_counts() -> None:
    one = series(1000, (500, 599))

    assert tally(one, [510, 520, 598], _STANDARD) == tally(one, [510], _STANDARD)


def test_false_alarms_cost_more_the_later_they_are_after_a_window() -> None:
    one = series(2000, (500, 599))
    missed = tally(one, [], _STANDARD).raw

    def cost(place: int) -> float:
        return tally(one, [place], _STANDARD).raw - missed

    assert missed == -1
    assert cost(400) == pytest.approx(-0.11)
    assert cost(600) == pytest.approx(0.11 * (2 / (1 + exp(5 / 99)) - 1))
    assert cost(1500) == pytest.approx(-0.11)
    assert cost(100) == 0  # probation


def test_scores_lie_between_no_alarm_and_a_perfect_detector() -> None:
    one = series(1000, (300, 349), (600, 649))
    for profile in PROFILES.values():
        assert tally(one, [], profile).normalised(profile) == 0
        assert tally(one, [300, 600], profile).normalised(profile) == 100


@given(st.lists(st.floats(0, 1), min_size=200, max_size=200))
def test_no_threshold_is_better_than_the_best(scores: list[float]) -> None:
    one = series(200, (80, 99), (140, 159))

    threshold, raw = best_threshold([(one, scores)], _STANDARD)

    assert raw == pytest.approx(tally(one, above(scores, threshold), _STANDARD).raw)
    for other in {0.5, NEVER, *scores} - {0.0}:
        assert tally(one, above(scores, other), _STANDARD).raw <= raw + 1e-9


def test_never_is_a_threshold() -> None:
    threshold, raw = best_threshold([(series(), [1.0] * 1000)], _STANDARD)

    assert (threshold, raw) == (NEVER, 0)
