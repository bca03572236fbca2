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


Whom = Callable[[asyncpg.Pool], Awaitable[list[TenantId]]]


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
        whom: Whom,
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
                for tenant in await self._due() - self._busy:
                    self._busy.add(tenant)
                    group.create_task(self._turn(tenant))
                await asyncio.sleep(self._interval.total_seconds())

    async def round(self) -> None:
        """Once for everybody."""
        await asyncio.gather(*map(self._turn, await self._due()))

    async def _due(self) -> set[TenantId]:
        return await tenants_of(self._directory, self._whom, self._name)

    async def _turn(self, tenant: TenantId) -> None:
        try:
            async with self._places:
                await self._serve(tenant)
        finally:
            self._busy.discard(tenant)

    async def _serve(self, tenant: TenantId) -> None:
        try:
            await self._work(await self._directory.route(tenant))
        except Exception as exc:
            error = expected(exc)
            if isinstance(error, TenantMoved):
                self._directory.forget(tenant)
            log.warning("rounds.left", work=self._name, tenant=tenant, error=error.reason)


async def tenants_of(directory: Directory, whom: Whom, work: str) -> set[TenantId]:
    """Whom all shards that answer name; those that do not keep no other from being served.

    Args:
        work: What it is for, for the log.
    """
    try:
        shards = await directory.shards()
    except AppError as error:
        log.warning("rounds.not_looked", work=work, error=error.reason)
        return set()
    return {tenant for shard in shards for tenant in await _named(shard, whom, work)}


async def _named(shard: asyncpg.Pool, whom: Whom, work: str) -> list[TenantId]:
    try:
        with store_errors():
            return await whom(shard)
    except AppError as error:
        log.warning("rounds.not_looked", work=work, error=error.reason)
        return []


def answering(sql: str, *values: object) -> Whom:
    """Tenants that a statement names, of a shard."""

    async def ask(shard: asyncpg.Pool) -> list[TenantId]:
        return [TenantId(row[0]) for row in await shard.fetch(sql, *values)]

    return ask
