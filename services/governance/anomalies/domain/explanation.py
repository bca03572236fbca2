"""An anomaly in words. Pure."""

from datetime import UTC, datetime

from services.governance.anomalies.domain.adaptive import Adaptive
from services.governance.anomalies.domain.alarm import Kind
from services.governance.anomalies.domain.series import Anomaly, Metric, Rule

_SUBJECTS = {
    Metric.VOLUME: "The number of calls in five minutes",
    Metric.ERROR_RATE: "The share of calls that failed through no fault of the caller",
    Metric.LATENCY: "The mean time of a call",
    Metric.COST: "What calls cost in five minutes",
}
_SHAPES = {
    Kind.SPIKE: "a spike",
    Kind.DROP: "a drop",
    Kind.SUSTAINED: "a change that lasts",
}


def explain(anomaly: Anomaly) -> str:
    """What was observed, what was expected, since when, how severe, and by which rule."""
    alarm = anomaly.alarm
    observed = readable(anomaly.metric, alarm.value)
    expected = readable(anomaly.metric, alarm.expected)
    return (
        f"{_SUBJECTS[anomaly.metric]} was {observed} at {_time(anomaly.period)}, where about"
        f" {expected} is usual: {_SHAPES[alarm.kind]} of {alarm.severity} severity,"
        f" {alarm.score:.1f} times what raises an alarm. It has been unusual since"
        f" {_time(alarm.since)}. {_rule(anomaly.rule)}"
    )


def readable(metric: Metric, value: float) -> str:
    """A value with its unit."""
    if metric is Metric.ERROR_RATE:
        return f"{value:.1%}"
    if metric is Metric.COST:
        return f"{value:.2f}"
    return f"{value:.0f} ms" if metric is Metric.LATENCY else f"{value:.0f}"


def _rule(rule: Rule) -> str:
    if isinstance(rule, Adaptive):
        return (
            "Found by comparison with what this series usually does at this time of the day and"
            f" week, with sensitivity {rule.sensitivity:g}."
        )
    return (
        f"Found by the rule of {rule.factor:g} standard deviations over the {rule.window} periods"
        " before."
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
