"""After the migrations: registers the database as the shard where new tenants go."""

import asyncio
import os

from libs.postgres.bootstrap import OWNER_ROLE
from libs.postgres.hosts import connect_writable
from libs.tenancy.provision import ensure_shard

SHARD = "main"


async def main() -> None:
    dsn, password = os.environ["AETERNA_DSN"], os.environ["AETERNA_DB_PASSWORD"]
    connection = await connect_writable(dsn, user=OWNER_ROLE, password=password)
    try:
        await ensure_shard(connection, SHARD, dsn)
    finally:
        await connection.close()
    print(f"The shard {SHARD} is registered.")


asyncio.run(main())
