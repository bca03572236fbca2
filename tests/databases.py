"""Databases for tests: a template migrated once, and copies of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from cli.schema import migrate_database
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE, DatabaseSettings
from libs.postgres.bootstrap import OWNER_ROLE, ensure_database, ensure_extension, ensure_roles

TEMPLATE = "aeterna_template"
PASSWORD = "aeterna-test"  # of every role, for servers that ask for one
SHARD = "main"


@dataclass(frozen=True, slots=True)
class Database:
    """A database; `superuser` is a DSN with all rights, for looking and for tampering."""

    superuser: str
    name: str

    @classmethod
    async def make(cls, server: str) -> Self:
        """A copy of the template."""
        name = f"test_{uuid4().hex}"
        await _execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER_ROLE}")
        return cls(_named(server, name), name)

    async def drop(self, server: str) -> None:
        """Cuts off whoever is connected."""
        await _execute(server, f"DROP DATABASE {self.name} WITH (FORCE)")

    @classmethod
    @asynccontextmanager
    async def copy(cls, server: str) -> AsyncIterator[Self]:
        """A copy of the template, dropped afterwards."""
        copy = await cls.make(server)
        try:
            yield copy
        finally:
            await copy.drop(server)

    @property
    def dsn(self) -> str:
        """Without role and password."""
        parts = urlsplit(self.superuser)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def settings(self, user: str = SERVICE_ROLE) -> DatabaseSettings:
        """For a pool of the role."""
        return DatabaseSettings(dsn=self.dsn, user=user, password=SecretStr(PASSWORD), pool_size=8)

    @asynccontextmanager
    async def connect(self, user: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the role, or of the superuser."""
        connection = await (
            asyncpg.connect(self.dsn, user=user, password=PASSWORD)
            if user
            else asyncpg.connect(self.superuser)
        )
        try:
            yield connection
        finally:
            await connection.close()


async def make_template(server: str) -> None:
    """Makes the template anew, migrated, with one shard."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        await ensure_roles(connection, PASSWORD)
        await ensure_database(connection, TEMPLATE)
    finally:
        await connection.close()
    template = Database(_named(server, TEMPLATE), TEMPLATE)
    async with template.connect() as superuser:
        await ensure_extension(superuser)
    await migrate_database(template.dsn, OWNER_ROLE, PASSWORD)


async def add_shard(database: Database, shard: str = SHARD) -> None:
    """Registers the database as a shard of itself."""
    async with database.connect(CONTROL_ROLE) as conn:
        await conn.execute(
            "INSERT INTO control.shard (id, dsn) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            shard,
            database.dsn,
        )


async def add_tenant(database: Database, tenant: str) -> None:
    """Creates a tenant as governance does, but for its keys."""
    await add_shard(database)
    async with database.connect(CONTROL_ROLE) as conn, conn.transaction():
        await conn.execute("INSERT INTO control.tenant (id) VALUES ($1)", tenant)
        await conn.execute(
            "INSERT INTO control.placement (tenant_id, shard_id) VALUES ($1, $2)", tenant, SHARD
        )
        await conn.execute("SELECT set_config('aeterna.tenant', $1, true)", tenant)
        await conn.execute(
            "INSERT INTO aeterna.tenant_state (tenant_id, epoch, state) VALUES ($1, 1, 'active')",
            tenant,
        )


async def holds_up(connection: asyncpg.Connection) -> bool:
    """Whether somebody waits for a lock of this connection; other tests share the server."""
    waits: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
        " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
    )
    return waits


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _named(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
