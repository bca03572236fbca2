"""The way to shards with the role of governance, for what the role of the services may not do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from libs.postgres import lend, store_errors
from libs.tenancy import Route, ShardId
from libs.tenancy.directory import ShardPools

_SHARDS = "SELECT id, dsn FROM control.shard ORDER BY id"
_DSN = "SELECT dsn FROM control.shard WHERE id = $1"


@dataclass(frozen=True)
class GoverningShards:
    """`control` and `pools` are of the role of governance."""

    control: asyncpg.Pool
    pools: ShardPools

    async def route(self, route: Route) -> Route:
        """The same way, with that role; raises StoreUnavailable."""
        with store_errors():
            async with lend(self.control) as conn:
                dsn = await conn.fetchval(_DSN, route.shard)
        return replace(route, pool=await self.pools.get(route.shard, dsn))

    async def all(self) -> Sequence[asyncpg.Pool]:
        """A pool for each shard; raises StoreUnavailable."""
        with store_errors():
            async with lend(self.control) as conn:
                rows = await conn.fetch(_SHARDS)
        return [await self.pools.get(ShardId(row["id"]), row["dsn"]) for row in rows]
