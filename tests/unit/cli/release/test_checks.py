"""What the reports of pods are worth."""

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from cli.release.checks import NOT_READY, Calls, Report, Reports, count_calls, judge


def serving(ended: int = 0, faults: int = 0, restarts: int = 0) -> Report:
    return Report("SERVING", restarts, Calls(ended, faults))


@pytest.mark.parametrize(
    ("first", "now", "complaint"),
    [
        ({}, {}, "no pod is ready"),
        ({}, {"a": Report(NOT_READY, 0)}, "no pod is ready"),
        ({}, {"a": serving()}, ""),
        ({}, {"a": serving(), "b": Report(NOT_READY, 0)}, ""),  # a new pod of the autoscaler
        ({"a": serving(), "b": serving()}, {"a": serving()}, ""),  # it has scaled in
        (
            {"a": serving(), "b": serving()},
            {"a": serving(), "b": Report(NOT_READY, 0)},
            "b is no longer ready",
        ),
        ({"a": serving()}, {"a": serving(restarts=1)}, "a has restarted"),
        ({}, {"a": Report("NOT_SERVING", 0, Calls())}, "a is NOT_SERVING"),
        ({}, {"a": Report("UNREACHABLE", 0, Calls())}, "a is UNREACHABLE"),
        ({}, {"a": Report("SERVING", 0, None)}, "a has no metrics"),
        ({}, {"a": serving(1000, 11)}, "11 of 1000 calls failed"),
        ({}, {"a": serving(1000, 10)}, ""),
        ({}, {"a": serving(2, 2)}, ""),  # too few to say
        ({}, {"a": serving(600, 6), "b": serving(600, 7)}, "13 of 1200 calls failed"),
        ({"a": serving(100, 50)}, {"a": serving(1100, 55)}, ""),  # what was before does not count
        ({"a": serving(100, 50)}, {"a": serving(200, 60)}, "10 of 100 calls failed"),
    ],
)
def test_what_makes_a_colour_unfit(first: Reports, now: Reports, complaint: str) -> None:
    assert judge(first, now, max_errors=0.01) == complaint


def test_only_faults_of_the_service_count() -> None:
    registry = CollectorRegistry()
    counter = Counter("aeterna_requests", "Calls.", ["method", "code"], registry=registry)
    for code, times in (("OK", 5), ("NOT_FOUND", 3), ("INTERNAL", 2), ("UNAVAILABLE", 1)):
        counter.labels("M", code).inc(times)

    assert count_calls(generate_latest(registry).decode()) == Calls(11, 3)


def test_metrics_of_something_else_are_none() -> None:
    assert count_calls("# TYPE up gauge\nup 1\n") is None
    assert count_calls("# TYPE aeterna_requests_total counter\n") == Calls()
