"""The one way to a tenant's data: `reading` and `writing` transactions, and the change log of
writes.

A write holds the tenant's row lock from `writing` to commit, so keep it short: embed, encrypt and
call others before it begins. Knows nothing of what services store.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.changes import Change
from libs.postgres import Connection, StoreUnavailable, store_errors
from libs.tenancy import Route, TenantMoved, TenantNotFound, TenantSuspended

_REFUSALS: dict[str, type[TenantNotFound | TenantMoved | TenantSuspended]] = {
    "AE001": TenantNotFound,
    "AE002": TenantMoved,
    "AE003": TenantSuspended,
}
_ACQUIRE = 5.0  # seconds to wait for a free connection
NO_SETTINGS: Mapping[str, str] = {}
_APPEND = "SELECT aeterna.append_changes($1, $2, $3, $4, $5, $6, $7, $8)"
_ENTERED = """
    SELECT found.* FROM aeterna.enter($1, '{{{settings}}}') AS entered (tenant), LATERAL (
        SELECT * FROM ({sql}) AS asked WHERE entered.tenant = $1 OFFSET 0
    ) AS found
"""
_QUEUE = """
    INSERT INTO aeterna.projection_queue (tenant_id, number, collection, entity_id)
    SELECT $1, q.number, $2, q.id FROM unnest($3::bigint[], $4::uuid[]) AS q (number, id)
"""


@dataclass(frozen=True, slots=True)
class Write:
    """An open transaction that holds the tenant's lock."""

    route: Route
    conn: Connection

    async def append(self, changes: Sequence[Change]) -> int:
        """Adds changes to the log; the number of the first, the rest follow without gaps."""
        first: int = await self.conn.fetchval(
            _APPEND,
            [change.resource for change in changes],
            [change.operation.value for change in changes],
            [change.origin.actor for change in changes],
            [change.subject for change in changes],
            [change.layer for change in changes],
            [change.origin.trace_id for change in changes],
            [change.origin.request_id for change in changes],
            [change.event for change in changes],
        )
        return first

    async def queue_projection(self, collection: str, work: Sequence[tuple[int, UUID]]) -> None:
        """Notes that these (change number, entity) pairs must reach the vector index."""
        numbers, ids = [number for number, _ in work], [entity for _, entity in work]
        await self.conn.execute(_QUEUE, self.route.tenant, collection, numbers, ids)


async def read(
    route: Route, sql: str, *values: object, settings: Mapping[str, str] = NO_SETTINGS
) -> list[asyncpg.Record]:
    """The rows of one SELECT that sees this tenant's rows and no others, in one round trip.

    `aeterna.enter` names the tenant first: a lateral subquery behind the fence of OFFSET is run
    once for each row of what it refers to. Were it run earlier, it would see nothing.

    Args:
        sql: Constant SQL; $1 is the tenant, `values` follow from $2 on.
        settings: As of `reading`, but for the run of the statement: it is planned before.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    pairs = ",".join(f"{name},{value}" for name, value in settings.items())
    statement = _ENTERED.format(settings=pairs, sql=sql)
    with store_errors():
        async with _connection(route.pool) as conn:
            rows: list[asyncpg.Record] = await conn.fetch(statement, route.tenant, *values)
    return rows


@asynccontextmanager
async def reading(
    route: Route, settings: Mapping[str, str] = NO_SETTINGS
) -> AsyncIterator[Connection]:
    """A read-only transaction that sees this tenant's rows and no others.

    Args:
        settings: Of PostgreSQL, for this transaction; names and values are our own constants.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    wanted = {"aeterna.tenant": route.tenant, **settings}
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in wanted.items())
    async with _transaction(route, f"BEGIN READ ONLY; SELECT {calls}") as conn:
        yield conn


@asynccontextmanager
async def writing(route: Route, *, durable: bool = True) -> AsyncIterator[Write]:
    """A transaction that holds the tenant's lock; commits when the block ends well.

    Args:
        durable: False for what can be derived again (projections): the commit does not wait for
            the disk.

    Raises:
        TenantMoved: The route's epoch is not the shard's.
        TenantSuspended, TenantNotFound: As they say.
        StoreUnavailable: The shard cannot be reached; the outcome of a commit may be unknown.
    """
    begin = f"BEGIN; SELECT aeterna.begin_write('{route.tenant}', {route.epoch:d})"
    if not durable:
        begin += "; SET LOCAL synchronous_commit = off"
    async with _transaction(route, begin) as conn:
        yield Write(route, conn)


@asynccontextmanager
async def administering(route: Route) -> AsyncIterator[Write]:
    """A transaction that may change the tenant's own row, with the role of governance.

    Whoever writes anything else in it calls aeterna.begin_write first.

    Raises:
        TenantMoved, TenantSuspended, TenantNotFound: begin_write refused.
        StoreUnavailable: The shard cannot be reached; the outcome of a commit may be unknown.
    """
    begin = f"BEGIN; SELECT set_config('aeterna.tenant', '{route.tenant}', true)"
    async with _transaction(route, begin) as conn:
        yield Write(route, conn)


@asynccontextmanager
async def _transaction(route: Route, begin: str) -> AsyncIterator[Connection]:
    """`begin` opens it in one round trip; it holds a checked label and numbers only."""
    with store_errors(), _refusals(route):
        async with _connection(route.pool) as conn:
            try:
                await conn.execute(begin)
                yield conn
            except BaseException:
                await _roll_back(conn)
                raise
            if await conn.execute("COMMIT") != "COMMIT":
                raise StoreUnavailable  # an error inside the block was swallowed


@asynccontextmanager
async def _connection(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Lends a connection. Waits with a timeout of our own: the pool's makes a task each time."""
    async with asyncio.timeout(_ACQUIRE):
        conn = await pool.acquire()
    try:
        yield conn
    finally:
        await pool.release(conn)


@contextmanager
def _refusals(route: Route) -> Iterator[None]:
    """Turns what begin_write refuses into the errors that callers know."""
    try:
        yield
    except asyncpg.PostgresError as exc:
        if error := _REFUSALS.get(exc.sqlstate or ""):
            raise error(route.tenant) from exc
        raise


async def _roll_back(conn: Connection) -> None:
    """Best effort: a broken connection has nothing left to roll back, the pool drops it."""
    broken = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    with suppress(asyncpg.PostgresError, *broken):
        await conn.execute("ROLLBACK")
