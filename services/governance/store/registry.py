"""Tenants in the control database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import asyncpg

from libs.changes import Request
from libs.postgres import Connection, StoreUnavailable, lend, roll_back, store_errors
from libs.spine.requests import KEPT_FOR, RequestIdReused
from libs.tenancy import Route, ShardId, TenantId, TenantNotFound
from libs.tenancy.directory import ShardPools
from services.governance.domain.tenant import Draft, State, Tenant
from services.governance.errors import NoSharedShard, ShardNotFound, ShardOccupied

_FIRST_EPOCH = 1
# One change of a tenant at a time, also before it exists; ends with the transaction.
_HOLD = "SELECT pg_advisory_xact_lock(hashtextextended($1, 4112606002))"
_GET = """
    SELECT t.id, t.display_name, t.state, p.shard_id AS shard, p.epoch, t.created_at, t.updated_at
    FROM control.tenant AS t JOIN control.placement AS p ON p.tenant_id = t.id WHERE t.id = $1
"""
_PAGE = """
    SELECT t.id, t.display_name, t.state, p.shard_id AS shard, p.epoch, t.created_at, t.updated_at
    FROM control.tenant AS t JOIN control.placement AS p ON p.tenant_id = t.id
    WHERE t.id > $1 ORDER BY t.id LIMIT $2
"""
_ANSWERED = """
    SELECT t.id, t.display_name, r.state, r.shard_id AS shard, r.epoch, t.created_at, r.updated_at,
        r.method, r.fingerprint
    FROM control.request AS r JOIN control.tenant AS t ON t.id = r.tenant_id
    WHERE r.request_id = $1
"""
_REMEMBER = """
    INSERT INTO control.request
        (request_id, method, fingerprint, tenant_id, state, shard_id, epoch, updated_at)
    SELECT $1, $2, $3, t.id, t.state, p.shard_id, p.epoch, t.updated_at
    FROM control.tenant AS t JOIN control.placement AS p ON p.tenant_id = t.id WHERE t.id = $4
"""
_FORGET = "DELETE FROM control.request WHERE created_at < now() - $1::interval"
# Where there is no choice nothing is counted.
_EMPTIEST = """
    WITH shared AS (SELECT id FROM control.shard WHERE kind = 'shared')
    SELECT s.id FROM shared AS s ORDER BY CASE WHEN (SELECT count(*) FROM shared) > 1
        THEN (SELECT count(*) FROM control.placement AS p WHERE p.shard_id = s.id) END, s.id
    LIMIT 1
"""
# Locked, or two tenants might each find a dedicated shard empty.
_KIND = "SELECT kind FROM control.shard WHERE id = $1 FOR NO KEY UPDATE"
_IS_OCCUPIED = "SELECT EXISTS (SELECT FROM control.placement WHERE shard_id = $1)"
_DSN = "SELECT dsn FROM control.shard WHERE id = $1"
_ADD = "INSERT INTO control.tenant (id, display_name) VALUES ($1, $2)"
_PLACE = "INSERT INTO control.placement (tenant_id, shard_id, epoch) VALUES ($1, $2, $3)"
_SET_STATE = """
    UPDATE control.tenant SET state = $2, updated_at = clock_timestamp()
    WHERE id = $1 AND state <> $2
"""


class PostgresTenantChange:
    """`TenantChange` in a transaction that holds the tenant."""

    def __init__(
        self, conn: Connection, pools: ShardPools, tenant: TenantId, request: Request | None
    ) -> None:
        self._conn, self._pools = conn, pools
        self._id, self._request = tenant, request
        self.tenant: Tenant | None = None
        self.answered: Tenant | None = None

    async def begin(self) -> None:
        await self._conn.execute("BEGIN")
        await self._conn.execute(_HOLD, self._id)
        row = await self._conn.fetchrow(_GET, self._id)
        self.tenant = _tenant(row) if row else None
        self.answered = await self._first_answer()

    async def place(self, shard: str) -> Route:
        if shard:
            await self._check_room(shard)
        else:
            shard = await self._conn.fetchval(_EMPTIEST)
            if shard is None:
                raise NoSharedShard
        return await self._route(shard, _FIRST_EPOCH)

    async def route(self) -> Route:
        if self.tenant is None:
            raise TenantNotFound(self._id)
        return await self._route(self.tenant.shard, self.tenant.epoch)

    async def create(self, draft: Draft, route: Route) -> Tenant:
        await self._conn.execute(_ADD, self._id, draft.display_name)
        await self._conn.execute(_PLACE, self._id, route.shard, route.epoch)
        return await self._commit()

    async def set_state(self, state: State) -> Tenant:
        if self.answered:
            return self.answered
        await self._conn.execute(_SET_STATE, self._id, state.value)
        return await self._commit()

    async def _first_answer(self) -> Tenant | None:
        if self._request is None:
            return None
        row = await self._conn.fetchrow(_ANSWERED, self._request.id)
        if row is None:
            return None
        if (row["method"], row["fingerprint"]) != (self._request.method, self._request.fingerprint):
            raise RequestIdReused(self._request.id)
        return _tenant(row)

    async def _check_room(self, shard: str) -> None:
        kind = await self._conn.fetchval(_KIND, shard)
        if kind is None:
            raise ShardNotFound(shard)
        if kind == "dedicated" and await self._conn.fetchval(_IS_OCCUPIED, shard):
            raise ShardOccupied(shard)

    async def _route(self, shard: str, epoch: int) -> Route:
        dsn = await self._conn.fetchval(_DSN, shard)
        return Route(self._id, ShardId(shard), epoch, await self._pools.get(ShardId(shard), dsn))

    async def _commit(self) -> Tenant:
        if self._request:
            await self._remember(self._request)
        (row,) = await self._conn.fetch(_GET, self._id)
        if await self._conn.execute("COMMIT") != "COMMIT":
            raise StoreUnavailable  # an error of a statement was swallowed
        return _tenant(row)

    async def _remember(self, request: Request) -> None:
        await self._conn.execute(_FORGET, KEPT_FOR)
        try:
            await self._conn.execute(
                _REMEMBER, request.id, request.method, request.fingerprint, self._id
            )
        except asyncpg.UniqueViolationError as exc:  # for another tenant, at the same moment
            raise RequestIdReused(request.id) from exc


@dataclass(frozen=True)
class PostgresRegistry:
    """`Registry` in the control database; both pools are of the role of governance."""

    control: asyncpg.Pool
    pools: ShardPools

    async def own_route(self, route: Route) -> Route:
        """The same way, with the role of governance."""
        with store_errors():
            async with lend(self.control) as conn:
                dsn = await conn.fetchval(_DSN, route.shard)
        return replace(route, pool=await self.pools.get(route.shard, dsn))

    @asynccontextmanager
    async def changing(
        self, tenant: TenantId, request: Request | None
    ) -> AsyncIterator[PostgresTenantChange]:
        with store_errors():
            async with lend(self.control) as conn:
                change = PostgresTenantChange(conn, self.pools, tenant, request)
                try:
                    await change.begin()
                    yield change
                finally:
                    await _undo(conn)

    async def get(self, tenant: TenantId) -> Tenant:
        with store_errors():
            async with lend(self.control) as conn:
                row = await conn.fetchrow(_GET, tenant)
        if row is None:
            raise TenantNotFound(tenant)
        return _tenant(row)

    async def page(self, after: str, limit: int) -> Sequence[Tenant]:
        with store_errors():
            async with lend(self.control) as conn:
                return [_tenant(row) for row in await conn.fetch(_PAGE, after, limit)]


async def _undo(conn: Connection) -> None:
    """What was not committed."""
    with suppress(asyncpg.InterfaceError):  # it is gone already
        if conn.is_in_transaction():
            await roll_back(conn)


def _tenant(row: asyncpg.Record) -> Tenant:
    return Tenant(
        id=row["id"],
        display_name=row["display_name"],
        state=State(row["state"]),
        shard=row["shard"],
        epoch=row["epoch"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
