"""Costs, budgets, and what is told of them."""

from typing import Any

from google.protobuf.message import Message

from aeterna.governance.v1 import alerts_pb2, anomalies_pb2, budgets_pb2, costs_pb2
from cli.views.cells import Columns, enum, time


def _money(amount: Any) -> str:
    """`2.50 USD`, with as many decimals as it needs."""
    nanos = f"{amount.nanos:09d}".rstrip("0").ljust(2, "0")
    return f"{amount.units}.{nanos} {amount.currency_code}" if amount.currency_code else ""


def _whom(budget: Any) -> str:
    """Whom and what a budget is for."""
    names = ("org_id", "team_id", "project_id", "model")
    return " ".join(
        f"{name.removesuffix('_id')}={value}" for name in names if (value := getattr(budget, name))
    )


def _watching(detector: anomalies_pb2.AnomalyDetector) -> str:
    """How a series is judged."""
    if detector.WhichOneof("rule") == "sigma":
        return f"{detector.sigma.factor:g} sigma over {detector.sigma.window}"
    return f"adaptive, sensitivity {detector.adaptive.sensitivity:g}"


COLUMNS: dict[type[Message], Columns] = {
    costs_pb2.Cost: {
        "FROM": lambda each: time(each.start_time),
        "SERVICE": lambda each: each.service,
        "KIND": lambda each: each.kind,
        "FOR": _whom,
        "QUANTITY": lambda each: each.quantity,
        "COST": lambda each: _money(each.cost),
        "UNPRICED": lambda each: each.unpriced_quantity,
    },
    budgets_pb2.Budget: {
        "NAME": lambda each: each.name,
        "FOR": _whom,
        "PERIOD": lambda each: enum(budgets_pb2.BudgetPeriod, each.period),
        "ACTION": lambda each: enum(budgets_pb2.BudgetAction, each.action),
        "LIMIT": lambda each: _money(each.limit),
        "SPENT": lambda each: _money(each.spent),
        "RESERVED": lambda each: _money(each.reserved),
        "REACHED": lambda each: f"{each.reached_percent:g} %" if each.reached_percent else "",
    },
    anomalies_pb2.Anomaly: {
        "NAME": lambda each: each.name,
        "PERIOD": lambda each: time(each.period_time),
        "METRIC": lambda each: enum(anomalies_pb2.Metric, each.metric),
        "KIND": lambda each: enum(anomalies_pb2.AnomalyKind, each.kind),
        "SEVERITY": lambda each: enum(anomalies_pb2.AnomalySeverity, each.severity),
        "OBSERVED": lambda each: f"{each.observed:.4g}",
        "EXPECTED": lambda each: f"{each.expected:.4g}",
        "SCORE": lambda each: f"{each.score:.2f}",
    },
    anomalies_pb2.AnomalyDetector: {
        "NAME": lambda each: each.name,
        "RULE": _watching,
        "FLOOR": lambda each: f"{each.floor:g}",
        "MUTED": lambda each: "yes" if each.muted else "no",
        "V": lambda each: str(each.version),
    },
    anomalies_pb2.SeriesPoint: {
        "PERIOD": lambda each: time(each.period_time),
        "VALUE": lambda each: f"{each.value:.4g}",
    },
    alerts_pb2.Alert: {
        "NAME": lambda each: each.name,
        "RAISED": lambda each: time(each.raise_time),
        "SEVERITY": lambda each: enum(alerts_pb2.AlertSeverity, each.severity),
        "KIND": lambda each: each.kind,
        "RESOURCE": lambda each: each.resource,
        "FACTS": lambda each: " ".join(f"{key}={value}" for key, value in each.facts.items()),
    },
    alerts_pb2.Webhook: {
        "NAME": lambda each: each.name,
        "KINDS": lambda each: " ".join(each.kinds) or "all",
        "SENDS": lambda each: "no" if each.disabled else "yes",
        "URL": lambda each: each.url,
    },
    alerts_pb2.WebhookDelivery: {
        "NAME": lambda each: each.name,
        "WEBHOOK": lambda each: each.webhook,
        "STATE": lambda each: enum(alerts_pb2.WebhookDeliveryState, each.state),
        "TRIES": lambda each: str(each.attempts),
        "STATUS": lambda each: str(each.last_status or ""),
        "PROBLEM": lambda each: each.problem,
        "NEXT": lambda each: time(each.next_attempt_time),
    },
}
