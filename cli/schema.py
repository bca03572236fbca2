"""Which migrations make up a deployment, and running them."""

import asyncpg

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


async def migrate_database(dsn: str, user: str, password: str | None = None) -> int:
    """Brings the database up to date, as the role that owns it; returns how many files ran."""
    connection = await asyncpg.connect(dsn, user=user, password=password)
    try:
        return await migrate(connection, load(COMPONENTS))
    finally:
        await connection.close()
