"""Which migrations make up a deployment, and running them."""

from datetime import timedelta

import asyncpg

from libs.postgres import store_errors
from libs.postgres.migrate import load, migrate

# In this order: each may use what those before it made.
COMPONENTS = (
    "libs.tenancy",
    "libs.spine",
    "libs.encryption",
    "libs.vectors",
    "services.memory",
    "services.knowledge",
)
_CONNECTING = timedelta(seconds=15)


async def migrate_database(dsn: str, user: str, password: str | None = None) -> int:
    """Brings the database up to date, as the role that owns it; returns how many files ran.

    Raises:
        StoreUnavailable: It cannot be reached.
        MigrationChanged: A file was edited after it ran.
    """
    with store_errors():
        connection = await asyncpg.connect(
            dsn, user=user, password=password, timeout=_CONNECTING.total_seconds()
        )
    try:
        return await migrate(connection, load(COMPONENTS))
    finally:
        await connection.close()
