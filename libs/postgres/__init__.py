"""Pools of PostgreSQL connections and the border where driver errors stop.

Knows nothing of tenants: `libs.spine` opens transactions for them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import BaseModel, SecretStr

from libs.errors import AppError, Kind
from libs.postgres.hosts import connect_writable, is_read_only

Connection = PoolConnectionProxy  # what a pool lends

SERVICE_ROLE = "aeterna_app"  # owns nothing, cannot bypass row-level security
_SESSION = {
    "application_name": "aeterna",
    "jit": "off",
    # Tenants and their users differ in size by orders of magnitude: no plan suits them all.
    "plan_cache_mode": "force_custom_plan",
}
_ACQUIRE = 5.0  # seconds to wait for a free connection
_SETTLING = 1.0  # seconds for a server to end what was given up
_CLOSING = 5.0  # seconds for connections in use when a pool is closed
CONTROL_ROLE = "aeterna_control"  # the same, but may create and change tenants: governance only


class DatabaseSettings(BaseModel, frozen=True):
    """How to reach a database."""

    dsn: str  # postgresql://host:port/name, several hosts allowed; no role, no password
    user: str = SERVICE_ROLE
    password: SecretStr | None = None
    pool_size: int = 16  # connections per replica at most
    command_timeout: timedelta = timedelta(seconds=30)  # one statement


class StoreUnavailable(AppError):
    """The database cannot be reached or is overloaded; nothing is known to have been written."""

    kind, reason = Kind.UNAVAILABLE, "STORE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The store is not available at the moment; retry.")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns lost connections, shutdowns and exhausted pools into `StoreUnavailable`."""
    try:
        yield
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # the server went away between two messages of a query
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.TransactionRollbackError,
        asyncpg.ReadOnlySQLTransactionError,
    ) as exc:
        raise StoreUnavailable from exc


async def binary_vectors(conn: asyncpg.Connection) -> None:
    """Lets vectors pass in pgvector's own form, which costs neither side a conversion."""
    with suppress(ValueError):  # a database without pgvector has no such type
        await conn.set_type_codec(
            "halfvec", schema="public", encoder=bytes, decoder=bytes, format="binary"
        )


@asynccontextmanager
async def open_pool(settings: DatabaseSettings) -> AsyncIterator[asyncpg.Pool]:
    """A pool for one database and role; connections are made when first needed.

    They go to the host that takes writes. Once a server says that it no longer does, all are made
    anew: one connection meets the error of a failover, not each in turn.
    """

    async def leave_if_demoted(connection: asyncpg.Connection) -> None:
        """Nothing else to do between uses: every setting is local to its transaction."""
        if is_read_only(connection):
            await pool.expire_connections()

    connecting: dict[str, Any] = {"connect": connect_writable}  # unknown to asyncpg's stubs
    pool = asyncpg.create_pool(
        settings.dsn,
        **connecting,
        user=settings.user,
        password=settings.password.get_secret_value() if settings.password else None,
        min_size=0,
        max_size=settings.pool_size,
        command_timeout=settings.command_timeout.total_seconds(),
        init=binary_vectors,
        reset=leave_if_demoted,
        server_settings=_SESSION,
    )
    with store_errors():
        await pool
    try:
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def lend(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection of the pool. When its server does not answer any more, another takes its place.

    asyncpg alone waits for the server to confirm that a call was given up, as long as for a
    statement: one that is frozen, or behind a cut, would hold all connections that it had.
    """
    async with asyncio.timeout(_ACQUIRE):  # the pool's own makes a task each time
        conn = await pool.acquire()
    try:
        yield conn
    finally:
        with suppress(TimeoutError):
            await pool.release(conn, timeout=_SETTLING)


async def roll_back(conn: Connection) -> None:
    """Best effort: a broken connection has nothing left to roll back, the pool drops it."""
    broken = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
    with suppress(asyncpg.PostgresError, *broken):
        await conn.execute("ROLLBACK", timeout=_SETTLING)


async def _close(pool: asyncpg.Pool) -> None:
    """Waits a little for connections in use, then cuts them."""
    try:
        await asyncio.wait_for(pool.close(), _CLOSING)
    except TimeoutError:
        pool.terminate()
