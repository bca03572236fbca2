"""Which migrations make up a deployment, running them and waiting for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from libs.encryption.guards import guard_sealed_tables
from libs.errors import AppError, Kind
from libs.postgres import StoreUnavailable, store_errors
from libs.postgres.hosts import connect_writable
from libs.postgres.migrate import load, migrate, pending
from libs.tenancy.provision import ensure_shard

# In this order: each may use what those before it made.
COMPONENTS = (
    "libs.tenancy",
    "libs.signing",
    "libs.spine",
    "libs.encryption",
    "libs.vectors",
    "libs.lexical",
    "libs.operations",
    "libs.constraints",
    "libs.alerts",
    "libs.usage",
    "libs.authorization",
    "libs.traffic",
    "libs.approvals",
    "libs.erasure",
    "libs.consent",
    "libs.exports",
    "services.memory",
    "services.knowledge",
    "services.governance",
    "services.sync",
)
_LOOK_AGAIN = 1.0  # seconds


class DatabaseNotReady(AppError):
    """The server answers, but the database, the role or its password is not there (yet)."""

    kind, reason = Kind.PRECONDITION, "DATABASE_NOT_READY"

    def __init__(self) -> None:
        super().__init__("The server refuses: no such database, role or password.")


class MigrationsPending(AppError):
    """The database is older than this release."""

    kind, reason = Kind.PRECONDITION, "MIGRATIONS_PENDING"

    def __init__(self, number: int) -> None:
        super().__init__(f"{number} migrations have not run yet.", number=str(number))


async def migrate_database(
    dsn: str, user: str, password: str | None = None, *, shard: str | None = None
) -> int:
    """Brings the database up to date, as the role that owns it; returns how many files ran.

    Args:
        dsn: postgresql://host:port/name, without role and password.
        shard: A DNS label; the database registers itself as this shard, where new tenants go.
    Raises:
        StoreUnavailable: It cannot be reached.
        DatabaseNotReady: As it says.
        MigrationChanged: A file was edited after it ran.
    """
    async with _connected(dsn, user, password) as connection:
        done = await migrate(connection, load(COMPONENTS))
        await guard_sealed_tables(connection)
        if shard:
            await ensure_shard(connection, shard, dsn)
        return done


async def check_database(
    dsn: str, user: str, password: str | None = None, *, patience: timedelta = timedelta(0)
) -> None:
    """Returns once the database is up to date, as any role of the suite sees it.

    Raises:
        MigrationsPending, DatabaseNotReady, StoreUnavailable: It is not, within `patience`.
        MigrationChanged: A file was edited after it ran.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total_seconds()
    while True:
        try:
            return await _check(dsn, user, password)
        except (MigrationsPending, DatabaseNotReady, StoreUnavailable):
            if loop.time() >= end:
                raise
        await asyncio.sleep(_LOOK_AGAIN)


async def _check(dsn: str, user: str, password: str | None) -> None:
    async with _connected(dsn, user, password) as connection:
        if todo := await pending(connection, load(COMPONENTS)):
            raise MigrationsPending(len(todo))


@asynccontextmanager
async def _connected(
    dsn: str, user: str, password: str | None
) -> AsyncIterator[asyncpg.Connection]:
    """To whichever host of the DSN takes writes."""
    try:
        with store_errors():
            connection = await connect_writable(dsn, user=user, password=password)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as exc:
        raise DatabaseNotReady from exc
    try:
        yield connection
    finally:
        await connection.close()
