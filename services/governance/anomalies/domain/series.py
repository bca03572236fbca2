"""The series of a tenant, and how each one is watched. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.governance.anomalies.domain.adaptive import Adaptive, AdaptiveDetector
from services.governance.anomalies.domain.alarm import Alarm, Detector, finite
from services.governance.anomalies.domain.sigma import SigmaDetector, SigmaRule

COLLECTION, DETECTORS = "anomalies", "anomalyDetectors"  # first parts of names
Rule = Adaptive | SigmaRule


class Metric(StrEnum):
    """What is watched, one value for each period; the values are stored."""

    VOLUME = "volume"  # calls
    ERROR_RATE = "error_rate"  # share of calls that failed through no fault of the caller, 0 to 1
    LATENCY = "latency"  # mean milliseconds of a call
    COST = "cost"  # money of calls, in the currency of the newest usage

    @property
    def label(self) -> str:
        """In names of resources."""
        return self.value.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happened in the period that begins at `period`."""

    period: datetime
    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def value(self, metric: Metric) -> float | None:
        """The value of the series; None where the period says nothing of it."""
        if metric is Metric.VOLUME:
            return float(self.calls)
        if metric is Metric.COST:
            return self.cost
        if not self.calls:
            return None
        if metric is Metric.ERROR_RATE:
            return self.failures / self.calls
        return self.seconds / self.calls * 1000


# Deviations that nobody would want to hear of: calls, share, milliseconds, money.
_FLOORS = {Metric.VOLUME: 5.0, Metric.ERROR_RATE: 0.01, Metric.LATENCY: 5.0, Metric.COST: 0.01}


@dataclass(frozen=True, slots=True)
class Watch:
    """How a series is watched. `muted`: it is learned from, and nothing is raised."""

    metric: Metric
    rule: Rule
    muted: bool = False
    version: int = 0
    updated_at: datetime | None = None

    @property
    def name(self) -> str:
        """Of the resource."""
        return f"{DETECTORS}/{self.metric.label}"

    def effective(self) -> Rule:
        """The rule, with the least deviation that counts in this series."""
        return replace(self.rule, floor=max(self.rule.floor, _FLOORS[self.metric]))


def usual(metric: Metric) -> Watch:
    """What holds until the tenant says otherwise."""
    return Watch(metric, Adaptive())


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something unusual in a series, in the period that begins at `period`."""

    id: UUID
    metric: Metric
    alarm: Alarm
    period: datetime
    rule: Rule


def new_detector(rule: Rule) -> Detector:
    """A detector that knows nothing yet."""
    return AdaptiveDetector(rule) if isinstance(rule, Adaptive) else SigmaDetector(rule)


def restored(rule: Rule, known_rule: Mapping[str, Any], state: Mapping[str, Any]) -> Detector:
    """The detector that goes on where the state was taken; a new one when the state belongs to
    another kind of rule, or to another release."""
    try:
        if known_rule["kind"] != to_json(rule)["kind"]:
            return new_detector(rule)
        if isinstance(rule, Adaptive):
            return AdaptiveDetector.from_state(rule, state)
        return SigmaDetector.from_state(rule, state)
    except (KeyError, TypeError, ValueError):
        return new_detector(rule)


def to_json(rule: Rule) -> dict[str, Any]:
    """As it is stored."""
    if isinstance(rule, Adaptive):
        return {"kind": "adaptive", "sensitivity": rule.sensitivity, "floor": rule.floor}
    return {
        "kind": "sigma",
        "window": rule.window,
        "factor": rule.factor,
        "floor": rule.floor,
    }


def from_json(value: Mapping[str, Any]) -> Rule:
    """Back from `to_json`."""
    floor = finite(value["floor"])
    if value["kind"] == "sigma":
        return SigmaRule(int(value["window"]), finite(value["factor"]), floor)
    return Adaptive(finite(value["sensitivity"]), floor)
