"""After the migrations: registers the database as the shard where new tenants go."""

import asyncio
import os

import asyncpg

from libs.postgres.bootstrap import OWNER_ROLE
from libs.tenancy.provision import ensure_shard

SHARD = "main"


async def main() -> None:
    dsn, password = os.environ["AETERNA_DSN"], os.environ["AETERNA_DB_PASSWORD"]
    connection = await asyncpg.connect(dsn, user=OWNER_ROLE, password=password, timeout=15)
    try:
        await ensure_shard(connection, SHARD, dsn)
    finally:
        await connection.close()
    print(f"The shard {SHARD} is registered.")


asyncio.run(main())
