"""Databases of tests that have ended, emptied, for those that follow; a copy costs ten times more.

One that is not as the template any more, its rows apart, is dropped.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from tests.databases import Database

_PATIENCE = 5000  # milliseconds for sessions that were cut off to let go
_CUT_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Tables that hold something, or held it.
_FILLED = """
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND pg_relation_size(c.oid) > 0 ORDER BY 1
"""
_OWN = "oid >= 16384"
# All that a test may change of a database, its rows and what is counted of them apart.
_SHAPE = " UNION ALL ".join(
    f"SELECT '{catalog}', md5(string_agg(row::text, ' ' ORDER BY row::text))"
    f" FROM (SELECT {columns} FROM {catalog} WHERE {which}) AS row"
    for catalog, columns, which in (
        (
            "pg_class",
            "oid, relname, relowner, relrowsecurity, relforcerowsecurity, relacl, reloptions",
            _OWN,
        ),
        ("pg_attribute", "attrelid, attnum, attname, attnotnull, attacl", "attrelid >= 16384"),
        ("pg_proc", "oid, prosrc, proacl, proowner, prosecdef, proconfig", _OWN),
        ("pg_trigger", "oid, tgenabled", _OWN),
        ("pg_constraint", "oid, conname, convalidated", _OWN),
        ("pg_index", "indexrelid, indisvalid", "indexrelid >= 16384"),
        ("pg_policy", "oid, polroles, polqual, polwithcheck", _OWN),
        ("pg_namespace", "nspname, nspacl", r"nspname !~ '^pg_(toast_)?temp'"),
        ("pg_extension", "extname, extversion", "true"),
        ("pg_publication", "pubname", "true"),
        ("pg_sequences", "*", "true"),
        (
            "pg_db_role_setting",
            "setrole, setconfig",
            "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ),
    )
)


@dataclass
class Spares:
    """Of one server, for the tests of one process."""

    server: str
    _free: list[Database] = field(default_factory=list)
    _shape: list[asyncpg.Record] = field(default_factory=list)
    _rows: dict[str, str] = field(default_factory=dict)  # what the template's own tables hold

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Database]:
        """One as the template is, for this test alone."""
        database = self._free.pop() if self._free else await self._new()
        kept = False
        try:
            yield database
        finally:
            with suppress(OSError, asyncpg.PostgresError, TimeoutError):
                kept = await self._emptied(database)
            if kept:
                self._free.append(database)
            else:
                await database.drop(self.server)

    async def close(self) -> None:
        """Drops those that nobody uses."""
        while self._free:
            await self._free.pop().drop(self.server)

    async def _new(self) -> Database:
        database = await Database.make(self.server)
        if not self._shape:
            async with database.connect() as conn:
                self._shape = await conn.fetch(_SHAPE)
                filled = [row[0] for row in await conn.fetch(_FILLED)]
                self._rows = {table: await _content(conn, table) for table in filled}
        return database

    async def _emptied(self, database: Database) -> bool:
        """Whether it is as the template again."""
        async with asyncio.timeout(4 * _PATIENCE / 1000), database.connect() as conn:
            await conn.execute(f"SET lock_timeout = {_PATIENCE}")
            await conn.execute("SET session_replication_role = replica")  # no trigger refuses
            await conn.execute(_CUT_OFF)
            filled = {row[0] for row in await conn.fetch(_FILLED)}
            if used := filled - set(self._rows):
                await conn.execute(f"TRUNCATE {', '.join(sorted(used))} RESTART IDENTITY CASCADE")
            held = {table: await _content(conn, table) for table in self._rows}
            return held == self._rows and await conn.fetch(_SHAPE) == self._shape


async def _content(conn: asyncpg.Connection, table: str) -> str:
    query = f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
    return await conn.fetchval(query) or ""
