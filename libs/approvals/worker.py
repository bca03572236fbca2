"""Applies what was approved, in the service that owns the thing: at most a second later, and after
a crash by whichever replica looks next."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.approvals import Approved, Kind
from libs.approvals.store import failed, to_apply
from libs.changes import Origin
from libs.errors import AppError
from libs.errors import Kind as ErrorKind
from libs.service.rounds import TenantRounds, answering
from libs.tenancy import Route
from libs.tenancy.directory import Directory

log = structlog.get_logger(__name__)

_MAY_PASS = (ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED, ErrorKind.TIMEOUT)
_INTERVAL = timedelta(seconds=1)
_WHOM = "SELECT * FROM aeterna.tenants_with_approvals($1)"

# Carries out an approved request and marks it applied in the same write (`store.applied`); may be
# asked again for one that it has carried out already, and must then refuse.
Apply = Callable[[Route, Approved], Awaitable[None]]


@dataclass(frozen=True)
class ApprovalWorker:
    """Applies for a tenant what waits."""

    kind: Kind
    origin: Origin
    apply: Apply

    async def __call__(self, route: Route) -> None:
        """What cannot be done now is done later."""
        for request in await to_apply(route, self.kind):
            await self._carry_out(route, request)

    def rounds(self, directory: Directory) -> TenantRounds:
        """Every second, for those with something approved."""
        whom = answering(_WHOM, [self.kind.value])
        return TenantRounds("approvals.apply", directory, whom, self, _INTERVAL)

    async def _carry_out(self, route: Route, request: Approved) -> None:
        try:
            await self.apply(route, request)
        except AppError as error:
            if error.kind in _MAY_PASS:
                raise
            log.info("approval.not_applied", request=str(request.id), error=error.reason)
            await failed(route, request.id, self.origin, error.reason)
