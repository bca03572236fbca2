"""Waits until every migration of this image has run, asked as the role that the service uses."""

import asyncio
import os

import asyncpg

from cli.schema import COMPONENTS
from libs.postgres.migrate import load

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def missing() -> list[str]:
    connection = await asyncpg.connect(
        os.environ["AETERNA_DSN"],
        user=os.environ["AETERNA_DB_USER"],
        password=os.environ["AETERNA_DB_PASSWORD"],
        timeout=5,
    )
    try:
        rows = await connection.fetch("SELECT component, number FROM aeterna_meta.migration")
    finally:
        await connection.close()
    done = {(row["component"], row["number"]) for row in rows}
    wanted = {(each.component, each.number) for each in load(COMPONENTS)}
    return [f"{component}/{number:04}" for component, number in sorted(wanted - done)]


async def main() -> None:
    while True:
        try:
            waiting = await missing()
        except AWAY as error:
            waiting = [type(error).__name__]
        if not waiting:
            return
        print("waiting for", *waiting, flush=True)
        await asyncio.sleep(2)


asyncio.run(main())
