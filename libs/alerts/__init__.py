"""Alerts of a tenant: raised as part of the write that gives rise to them, sent to webhooks later.

An alert tells facts: numbers, names of resources, codes; never content and never persons. Knows
nothing of how alerts are delivered: governance does that.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from libs.aip.ids import uuid7
from libs.changes import Origin
from libs.metrics import ALERTS
from libs.spine import Write

COLLECTION = "alerts"
Facts = Mapping[str, str | int | float | bool]
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_RAISE = "SELECT aeterna.raise_alert($1, $2, $3, $4, $5::jsonb, $6, $7)"


class Severity(StrEnum):
    """How much it matters; the values are stored."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a tenant is to hear of.

    Attributes:
        kind: Lower-case words joined by dots, the general first: `budget.threshold`. Webhooks
            choose by it.
        resource: What it is about, as a resource name; "" for the tenant itself.
        facts: What receivers get beside that.
        id: Its own; another for each alert.
    """

    kind: str
    severity: Severity
    resource: str = ""
    facts: Facts = field(default_factory=dict)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"not the kind of an alert: {self.kind}")


async def raise_alert(write: Write, alert: Alert, origin: Origin) -> int:
    """Raises it as part of the write, and queues it for the tenant's webhooks.

    Returns:
        The number of the change that tells of it. Whoever commits wakes the tenant's watchers.
    """
    number: int = await write.conn.fetchval(
        _RAISE,
        alert.id,
        alert.kind,
        alert.severity.value,
        alert.resource,
        json.dumps(dict(alert.facts)),
        origin.actor,
        origin.trace_id,
    )
    ALERTS.labels(alert.kind, alert.severity.value).inc()
    return number
