"""What the operations need from the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked, Command
from libs.constraints.stored import Stored
from libs.scope import Scope
from libs.tenancy import Route
from services.governance.constraints.domain import Body


class Policies(Protocol):
    """Policies of a tenant. Every method raises StoreUnavailable when the shard cannot be
    reached."""

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        """Carries out a command once; a repeat of its request gets the first answer: the policy,
        none for a removal.

        Raises:
            AppError: What `domain.decide` refuses, RequestIdReused, or what refuses the writer.
        """

    async def all(self, route: Route) -> list[Stored]:
        """All of the tenant, oldest first."""

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        """Those that exist, in the order of `ids`."""

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Stored]:
        """Newest first, those older than `before`, at most `limit`."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A drift report; `report` is sealed."""

    id: UUID
    scope: Scope
    report: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredSuppression:
    """A suppression; `document` is sealed. `policy`: None for any."""

    id: UUID
    policy: UUID | None
    author: str
    document: bytes
    expires_at: datetime
    created_at: datetime


class Reports(Protocol):
    """Drift reports and suppressions of a tenant; raises StoreUnavailable like `Policies`."""

    async def add(self, route: Route, asked: Asked, report: StoredReport) -> UUID:
        """Stores a report; its id, or that of the report that the request made before."""

    async def last(self, route: Route, scope: Scope) -> StoredReport | None:
        """The newest of a scope."""

    async def get(self, route: Route, report: UUID) -> StoredReport:
        """One; raises ReportNotFound."""

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[StoredReport]:
        """Newest first, those older than `before`, at most `limit`."""

    async def suppress(self, route: Route, asked: Asked, suppression: StoredSuppression) -> UUID:
        """Stores a suppression; its id, or that of the one that the request made before."""

    async def suppressions(
        self, route: Route, now: datetime, before: UUID | None, limit: int
    ) -> list[StoredSuppression]:
        """Those that have not expired, newest first, older than `before`, at most `limit`."""

    async def suppression(self, route: Route, suppression: UUID) -> StoredSuppression:
        """One; raises SuppressionNotFound."""

    async def unsuppress(self, route: Route, asked: Asked, suppression: UUID) -> None:
        """Removes one; raises SuppressionNotFound."""
