"""Signs the trails of all tenants as they grow, in every replica: the same entry is signed once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.errors import AppError
from libs.metrics import AUDIT_BROKEN, AUDIT_CHECKPOINTS
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory
from services.governance.audit.domain import Checkpointing
from services.governance.audit.errors import TrailBroken
from services.governance.audit.operations import AuditOperations
from services.governance.audit.ports import Checkpoints, Lengths

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class CheckpointWorker:
    """Runs until cancelled. What could not be signed is tried again at the next look."""

    operations: AuditOperations
    checkpoints: Checkpoints
    lengths: Lengths
    directory: Directory
    policy: Checkpointing
    interval: timedelta
    now: Callable[[], datetime]

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            try:
                await self.look()
            except AppError as error:
                log.warning("audit.not_looked_for", error=error.reason)
            await asyncio.sleep(self.interval.total_seconds())

    async def look(self) -> None:
        """Signs what is due now."""
        async for tenant, length in self._due():
            try:
                await self.operations.sign(await self.directory.route(tenant), length)
                AUDIT_CHECKPOINTS.inc()
            except TrailBroken as error:
                AUDIT_BROKEN.inc()
                log.error("audit.broken", tenant=tenant, **error.metadata)
            except AppError as error:
                log.warning("audit.not_signed", tenant=tenant, error=error.reason)

    async def _due(self) -> AsyncIterator[tuple[TenantId, int]]:
        newest = await self.checkpoints.newest()
        for tenant, length in (await self.lengths.lengths()).items():
            signed, signed_at = newest.get(tenant, (0, None))
            if length < signed or self.policy.is_due(length, signed, signed_at, self.now()):
                yield tenant, max(length, signed)
