"""After the migrations: lets services see which have run, and registers the database as a shard."""

import asyncio
import os

import asyncpg

from libs.postgres import CONTROL_ROLE, SERVICE_ROLE
from libs.postgres.bootstrap import OWNER_ROLE
from libs.tenancy.provision import ensure_shard

SHARD = "main"
GRANTS = f"""
    GRANT USAGE ON SCHEMA aeterna_meta TO {SERVICE_ROLE}, {CONTROL_ROLE};
    GRANT SELECT ON aeterna_meta.migration TO {SERVICE_ROLE}, {CONTROL_ROLE};
"""


async def main() -> None:
    dsn = os.environ["AETERNA_DSN"]
    password = os.environ["AETERNA_DB_PASSWORD"]
    connection = await asyncpg.connect(dsn, user=OWNER_ROLE, password=password, timeout=15)
    try:
        await connection.execute(GRANTS)
        await ensure_shard(connection, SHARD, dsn)
    finally:
        await connection.close()
    print(f"shard {SHARD} is registered")


asyncio.run(main())
