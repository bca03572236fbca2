"""Registering shards. Knows nothing of the tenants that will live there."""

import asyncpg

_SHARD = """
    INSERT INTO control.shard (id, dsn) VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET dsn = excluded.dsn WHERE control.shard.dsn <> excluded.dsn
"""


async def ensure_shard(control: asyncpg.Connection, shard: str, dsn: str) -> None:
    """Registers a shared shard, or says where its database is now.

    Args:
        control: The control database, as the role of governance or its owner.
        shard: A DNS label.
        dsn: postgresql://host:port/name, without role and password.
    """
    await control.execute(_SHARD, shard, dsn)
