"""Puts every table that the registry names under the database's guard of sealed values."""

import asyncpg

from libs.encryption.registry import sealed_tables

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('aeterna.guard_sealed'))"
_GUARD = "SELECT aeterna.guard_sealed(('aeterna.' || $1)::regclass, VARIADIC $2::text[])"


async def guard_sealed_tables(connection: asyncpg.Connection) -> None:
    """As the role that owns the tables, after the migrations: see libs/encryption/migrations."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        for table in sealed_tables():
            columns = [field.column for field in table.fields]
            await connection.execute(_GUARD, table.name, columns)
