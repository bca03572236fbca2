"""How series are made of traffic, watched, stored and explained."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.governance.anomalies.domain.adaptive import Adaptive, AdaptiveDetector
from services.governance.anomalies.domain.alarm import Alarm, Kind, Severity
from services.governance.anomalies.domain.explanation import explain
from services.governance.anomalies.domain.series import (
    Anomaly,
    Metric,
    Rule,
    Traffic,
    Watch,
    from_json,
    restored,
    to_json,
)
from services.governance.anomalies.domain.sigma import SigmaDetector, SigmaRule

_PERIOD = datetime(2026, 1, 5, 12, 5, tzinfo=UTC)


def test_a_period_without_calls_has_no_errors_and_no_latency() -> None:
    quiet, busy = Traffic(_PERIOD), Traffic(_PERIOD, 200, 10, 4.0, 1.5)

    assert [quiet.value(metric) for metric in Metric] == [0.0, None, None, 0.0]
    assert [busy.value(metric) for metric in Metric] == [200.0, 0.05, 20.0, 1.5]


@pytest.mark.parametrize("rule", [Adaptive(2.0, 3.0), SigmaRule(50, 3.0, 0.5)])
def test_a_rule_comes_back_from_the_store(rule: Rule) -> None:
    assert from_json(to_json(rule)) == rule


def test_a_state_of_another_rule_or_release_is_left() -> None:
    adaptive, sigma = Adaptive(), SigmaRule()
    detector = AdaptiveDetector()
    for place in range(10):
        detector.update(_PERIOD + place * timedelta(minutes=5), 1.0)
    state = detector.state()

    assert restored(adaptive, to_json(adaptive), state).state() == state
    assert isinstance(restored(sigma, to_json(adaptive), state), SigmaDetector)
    for damaged in ({}, {**state, "place": None}, {**state, "season": {"day": []}}):
        again = restored(adaptive, to_json(adaptive), damaged)
        assert again.state() == AdaptiveDetector().state()


def test_a_metric_has_a_floor_of_its_own() -> None:
    assert Watch(Metric.VOLUME, Adaptive()).effective().floor == 5
    assert Watch(Metric.VOLUME, SigmaRule(floor=80)).effective().floor == 80


@pytest.mark.parametrize(
    ("metric", "rule", "parts"),
    [
        (Metric.VOLUME, Adaptive(), ["was 812", "about 120 is usual", "a spike of high severity"]),
        (Metric.ERROR_RATE, SigmaRule(), ["81200.0%", "2 standard deviations over the 100"]),
        (Metric.COST, Adaptive(), ["What calls cost", "812.00", "120.00"]),
        (Metric.LATENCY, Adaptive(0.5), ["812 ms", "120 ms", "sensitivity 0.5"]),
    ],
)
def test_an_anomaly_is_told_in_words(metric: Metric, rule: Rule, parts: list[str]) -> None:
    since = _PERIOD - timedelta(minutes=10)
    alarm = Alarm(Kind.SPIKE, Severity.HIGH, 812.0, 120.0, 2.6, since)

    text = explain(Anomaly(UUID(int=1), metric, alarm, _PERIOD, rule))

    for part in [*parts, "2026-01-05 12:05 UTC", "since 2026-01-05 11:55 UTC", "2.6 times"]:
        assert part in text
