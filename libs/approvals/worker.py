"""Applies what was approved, in the service that owns the thing: at most a second later, and after
a crash by whichever replica looks next."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from libs.approvals import Approved, Kind
from libs.approvals.store import failed, to_apply
from libs.changes import Origin
from libs.errors import AppError
from libs.errors import Kind as ErrorKind
from libs.postgres import store_errors
from libs.service.errors import expected
from libs.tenancy import Route, TenantId
from libs.tenancy.directory import Directory

log = structlog.get_logger(__name__)

_MAY_PASS = (ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED, ErrorKind.TIMEOUT)
_TENANTS = "SELECT * FROM aeterna.tenants_with_approvals($1)"

# Carries out an approved request and marks it applied in the same write (`store.applied`); may be
# asked again for one that it has carried out already, and must then refuse.
Apply = Callable[[Route, Approved], Awaitable[None]]


class ApprovalWorker:
    """Runs until cancelled."""

    def __init__(
        self,
        directory: Directory,
        kind: Kind,
        origin: Origin,
        apply: Apply,
        interval: timedelta = timedelta(seconds=1),
    ) -> None:
        self._directory, self._kind, self._origin = directory, kind, origin
        self._apply, self._interval = apply, interval

    async def run(self) -> None:
        """Looks for approved requests again and again."""
        while True:
            for tenant in await self._due():
                await self._serve(tenant)
            await asyncio.sleep(self._interval.total_seconds())

    async def _due(self) -> list[TenantId]:
        try:
            found = set()
            for shard in await self._directory.shards():
                with store_errors():
                    rows = await shard.fetch(_TENANTS, [self._kind.value])
                found |= {TenantId(row[0]) for row in rows}
        except AppError as error:
            log.warning("approvals.not_looked_for", error=error.reason)
            return []
        return sorted(found)

    async def _serve(self, tenant: TenantId) -> None:
        """Applies what waits for a tenant; what cannot be done now is done later."""
        try:
            route = await self._directory.route(tenant)
            for request in await to_apply(route, self._kind):
                await self._carry_out(route, request)
        except Exception as exc:
            log.warning("approvals.left", tenant=tenant, error=expected(exc).reason)
            self._directory.forget(tenant)

    async def _carry_out(self, route: Route, request: Approved) -> None:
        try:
            await self._apply(route, request)
        except AppError as error:
            if error.kind in _MAY_PASS:
                raise
            log.info("approval.not_applied", request=str(request.id), error=error.reason)
            await failed(route, request.id, self._origin, error.reason)
