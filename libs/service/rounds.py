"""Work that has to be done for some tenants of every shard, now and then, in every replica."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import structlog

from libs.errors import AppError
from libs.postgres import store_errors
from libs.service.errors import expected
from libs.tenancy import Route, TenantId, TenantMoved
from libs.tenancy.directory import Directory

log = structlog.get_logger(__name__)


class TenantRounds:
    """Asks each shard whom there is work for, and does it; what fails is left for the next round.

    Args:
        name: Of the work, for the log.
        whom: Of a shard; a tenant that has nothing to do does no harm.
        work: For one tenant. Another replica may be at the same.
        at_once: Tenants that one replica works for.
    """

    def __init__(
        self,
        name: str,
        directory: Directory,
        whom: Callable[[asyncpg.Pool], Awaitable[list[TenantId]]],
        work: Callable[[Route], Awaitable[None]],
        interval: timedelta,
        *,
        at_once: int = 2,
    ) -> None:
        self._name, self._directory = name, directory
        self._whom, self._work, self._interval = whom, work, interval
        self._places = asyncio.Semaphore(at_once)
        self._busy: set[TenantId] = set()  # waiting for a place, or having one

    async def run(self) -> None:
        """Until cancelled. Who takes long holds up nobody who comes later."""
        async with asyncio.TaskGroup() as group:
            while True:
                for tenant in await self._tenants() - self._busy:
                    self._busy.add(tenant)
                    group.create_task(self._turn(tenant))
                await asyncio.sleep(self._interval.total_seconds())

    async def round(self) -> None:
        """Once for everybody."""
        await asyncio.gather(*map(self._turn, await self._tenants()))

    async def _turn(self, tenant: TenantId) -> None:
        try:
            async with self._places:
                await self._serve(tenant)
        finally:
            self._busy.discard(tenant)

    async def _tenants(self) -> set[TenantId]:
        """Of all shards that answer."""
        try:
            shards = await self._directory.shards()
        except AppError as error:
            log.warning("rounds.not_looked", work=self._name, error=error.reason)
            return set()
        return {tenant for shard in shards for tenant in await self._tenants_of(shard)}

    async def _tenants_of(self, shard: asyncpg.Pool) -> list[TenantId]:
        try:
            with store_errors():
                return await self._whom(shard)
        except AppError as error:
            log.warning("rounds.not_looked", work=self._name, error=error.reason)
            return []

    async def _serve(self, tenant: TenantId) -> None:
        try:
            await self._work(await self._directory.route(tenant))
        except Exception as exc:
            error = expected(exc)
            if isinstance(error, TenantMoved):
                self._directory.forget(tenant)
            log.warning("rounds.left", work=self._name, tenant=tenant, error=error.reason)


def answering(sql: str, *values: object) -> Callable[[asyncpg.Pool], Awaitable[list[TenantId]]]:
    """Tenants that a statement names, of a shard."""

    async def ask(shard: asyncpg.Pool) -> list[TenantId]:
        return [TenantId(row[0]) for row in await shard.fetch(sql, *values)]

    return ask
