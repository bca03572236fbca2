"""The tenant's own row in its shard, and what its log says of that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from libs.changes import Change, Operation, Origin
from libs.spine import Write, administering, writing
from libs.tenancy import Route, TenantSuspended
from libs.wakeups import Wakeups

_ADD = """
    INSERT INTO aeterna.tenant_state (tenant_id, epoch, state) VALUES ($1, $2, 'active')
    ON CONFLICT DO NOTHING
"""
_BEGIN = "SELECT aeterna.begin_write($1, $2)"
_SUSPEND = "UPDATE aeterna.tenant_state SET state = 'suspended' WHERE tenant_id = $1"
_RESUME = """
    UPDATE aeterna.tenant_state SET state = 'active' WHERE tenant_id = $1 AND state = 'suspended'
    RETURNING true
"""


@dataclass(frozen=True)
class PostgresShards:
    """`Shards` in PostgreSQL; routes lead to pools of the role of governance."""

    wakeups: Wakeups

    async def provision(self, route: Route, origin: Origin) -> None:
        async with administering(route) as write:
            await write.conn.execute(_ADD, route.tenant, route.epoch)
            if await write.conn.fetchval(_BEGIN, route.tenant, route.epoch) == 0:
                await _log(write, Operation.CREATED, origin)
        self.wakeups.publish(route.tenant)

    async def suspend(self, route: Route, origin: Origin) -> None:
        with suppress(TenantSuspended):
            async with writing(route) as write:
                await _log(write, Operation.SUSPENDED, origin)
                await write.conn.execute(_SUSPEND, route.tenant)
        self.wakeups.publish(route.tenant)

    @asynccontextmanager
    async def resuming(self, route: Route, origin: Origin) -> AsyncIterator[None]:
        async with administering(route) as write:
            resumed = await write.conn.fetchval(_RESUME, route.tenant)
            await write.conn.execute(_BEGIN, route.tenant, route.epoch)
            if resumed:
                await _log(write, Operation.RESUMED, origin)
            yield
        self.wakeups.publish(route.tenant)


async def _log(write: Write, operation: Operation, origin: Origin) -> None:
    await write.append([Change(f"tenants/{write.route.tenant}", operation, origin)])
