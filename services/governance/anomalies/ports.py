"""What the operations need from the outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked
from libs.tenancy import Route
from services.governance.anomalies.domain.series import Anomaly, Metric, Traffic, Watch

Changes = Mapping[str, Any]  # rule, floor, muted: those that change


@dataclass(frozen=True, slots=True)
class Found:
    """An anomaly as it is kept; `number`: of the change that tells of it."""

    anomaly: Anomaly
    number: int


Judge = Callable[
    [Mapping[Metric, Watch], Mapping[Metric, Mapping[str, Any]], Sequence[Traffic]],
    tuple[Mapping[Metric, Mapping[str, Any]], Sequence[Anomaly]],
]  # watches, states and traffic: the states after it, and what was found


class AnomalyStore(Protocol):
    """In the tenant's shard. Every method raises StoreUnavailable when it cannot be reached."""

    async def watches(self, route: Route) -> Mapping[Metric, Watch]:
        """How every series is watched."""

    async def update(
        self, route: Route, asked: Asked, metric: Metric, expected: int, changes: Changes
    ) -> Watch:
        """The watch, changed once for a request.

        Raises:
            DetectorVersionMismatch, RequestIdReused: As they say.
        """

    async def get(self, route: Route, anomaly: UUID) -> Found:
        """One anomaly; raises AnomalyNotFound."""

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[Found]:
        """Newest first, those before this one, at most `limit`."""

    async def traffic(self, route: Route, begin: datetime, end: datetime) -> Sequence[Traffic]:
        """What is kept of the periods that begin from `begin` on and before `end`."""

    async def advance(self, route: Route, until: datetime, judge: Judge) -> int:
        """Judges every period that ended by `until` and was not judged yet, as one write: each
        exactly once, whatever dies in between. How many anomalies were found."""
