"""Escalates and expires requests when it is time: any replica, a second late at most."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.errors import AppError
from libs.postgres import store_errors
from libs.service.errors import expected
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory
from services.governance.approvals.ports import Requests

log = structlog.get_logger(__name__)

_TENANTS = "SELECT * FROM aeterna.tenants_with_due_approvals()"


@dataclass(frozen=True)
class ApprovalTimers:
    """Runs until cancelled."""

    requests: Requests
    directory: Directory
    interval: timedelta = timedelta(seconds=1)

    async def run(self) -> None:
        """Looks for what is due again and again."""
        while True:
            for tenant in await self._due():
                await self._serve(tenant)
            await asyncio.sleep(self.interval.total_seconds())

    async def _due(self) -> list[TenantId]:
        found: set[TenantId] = set()
        try:
            for shard in await self.directory.shards():
                with store_errors():
                    rows = await shard.fetch(_TENANTS)
                found |= {TenantId(row[0]) for row in rows}
        except AppError as error:
            log.warning("approvals.not_looked_for", error=error.reason)
        return sorted(found)

    async def _serve(self, tenant: TenantId) -> None:
        try:
            while await self.requests.tick(await self.directory.route(tenant)):
                pass
        except Exception as exc:
            log.warning("approvals.left", tenant=tenant, error=expected(exc).reason)
            self.directory.forget(tenant)
