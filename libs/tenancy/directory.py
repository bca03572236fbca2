"""Where each tenant lives, answered from memory; the control database is asked once per tenant.

An entry is dropped when the control database announces a change of its tenant. While the
announcements cannot be heard nothing is kept. A stale entry cannot harm a write: the shard refuses
another epoch.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import structlog

from libs.postgres import DatabaseSettings, lend, open_pool, store_errors
from libs.postgres.listen import SILENCE, listen
from libs.tenancy import Route, ShardId, TenantId, TenantNotFound, TenantSuspended

log = structlog.get_logger(__name__)

_CHANNEL = "aeterna_placement"
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_RETRY = 1.0  # seconds between attempts to listen again
_PLACE = """
    SELECT p.shard_id, p.epoch, t.state, s.dsn
    FROM control.tenant AS t
    JOIN control.placement AS p ON p.tenant_id = t.id
    JOIN control.shard AS s ON s.id = p.shard_id
    WHERE t.id = $1
"""
_SHARDS = "SELECT id, dsn FROM control.shard ORDER BY id"


class ShardPools:
    """A pool for each shard, opened when first asked for and closed by the stack."""

    def __init__(self, settings: DatabaseSettings, stack: AsyncExitStack) -> None:
        """`settings`: role, password and limits for every shard; its database does not count."""
        self._settings, self._stack = settings, stack
        self._pools: dict[ShardId, asyncpg.Pool] = {}
        self._opening = asyncio.Lock()

    async def get(self, shard: ShardId, dsn: str) -> asyncpg.Pool:
        """The pool of the shard whose database is at `dsn`."""
        async with self._opening:
            if shard not in self._pools:
                settings = self._settings.model_copy(update={"dsn": dsn})
                self._pools[shard] = await self._stack.enter_async_context(open_pool(settings))
            return self._pools[shard]


class Directory:
    """Routes by tenant. Open it with `open_directory`."""

    def __init__(self, control: asyncpg.Pool, pools: ShardPools, silence: float) -> None:
        self.control = control  # the pool of the control database
        self._pools, self._silence = pools, silence
        self._routes: dict[TenantId, Route] = {}
        self._listening = False
        self._generation = 0  # counts announcements, to discard an answer that one overtook

    async def route(self, tenant: TenantId) -> Route:
        """The way to the tenant's data; from memory when it is known.

        Raises:
            TenantNotFound, TenantSuspended: As they say.
            StoreUnavailable: Not known yet, and the control database cannot be reached.
        """
        return self._routes.get(tenant) or await self._look_up(tenant)

    async def shards(self) -> list[asyncpg.Pool]:
        """A pool for every shard, for work that is not one tenant's."""
        with store_errors():
            rows = await self.control.fetch(_SHARDS)
        return [await self._pools.get(ShardId(row["id"]), row["dsn"]) for row in rows]

    @property
    def known(self) -> int:
        """How many routes are in memory."""
        return len(self._routes)

    def forget(self, tenant: TenantId) -> None:
        """Asks the control database again the next time."""
        self._generation += 1
        self._routes.pop(tenant, None)

    async def _look_up(self, tenant: TenantId) -> Route:
        generation = self._generation
        with store_errors():
            async with lend(self.control) as conn:
                row = await conn.fetchrow(_PLACE, tenant)
        if row is None:
            raise TenantNotFound(tenant)
        if row["state"] != "active":
            raise TenantSuspended(tenant)
        shard = ShardId(row["shard_id"])
        route = Route(tenant, shard, row["epoch"], await self._pools.get(shard, row["dsn"]))
        if self._listening and generation == self._generation:
            self._routes[tenant] = route
        return route

    async def listen(self) -> None:
        """Hears announcements until cancelled; reconnects when the connection is lost."""
        while True:
            try:
                await listen(
                    self.control, _CHANNEL, self._hear, self._announced, silence=self._silence
                )
            except _LOST as exc:
                log.warning("directory.deaf", error=type(exc).__name__)
            self._deafen()
            await asyncio.sleep(_RETRY)

    def _hear(self) -> None:
        self._deafen()  # what was learned before may have changed unheard
        self._listening = True

    def _announced(self, tenant: str) -> None:
        self.forget(TenantId(tenant))

    def _deafen(self) -> None:
        self._listening = False
        self._generation += 1
        self._routes.clear()


@asynccontextmanager
async def open_directory(
    control: DatabaseSettings, *, silence: float = SILENCE
) -> AsyncIterator[Directory]:
    """A directory over the control database; shards are reached with the same role and password.

    `silence`: as of `listen`.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(control))
        directory = Directory(pool, ShardPools(control, stack), silence)
        listener = asyncio.create_task(directory.listen())
        try:
            yield directory
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
