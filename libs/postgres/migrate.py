"""The one migration runner: numbered SQL files, forward only, one process at a time.

A component is a package with a `migrations` folder of `NNNN_what.sql` files. Each file runs once,
in one transaction with its own bookkeeping row; a file that changed after it ran is an error.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
import structlog

from libs.errors import AppError, Kind
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE

log = structlog.get_logger(__name__)

_LOCK = 4_112_606_001  # pg_advisory_lock key of the runner
_FILE = re.compile(r"(\d{4})_\w+\.sql")
_BOOK = f"""
    CREATE SCHEMA IF NOT EXISTS aeterna_meta;
    CREATE TABLE IF NOT EXISTS aeterna_meta.migration (
        component text NOT NULL,
        number int NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (component, number)
    );
    -- Services wait for their schema.
    GRANT USAGE ON SCHEMA aeterna_meta TO {SERVICE_ROLE}, {CONTROL_ROLE};
    GRANT SELECT ON aeterna_meta.migration TO {SERVICE_ROLE}, {CONTROL_ROLE};
"""
_BOOK_EXISTS = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'aeterna_meta')"
_APPLIED = "SELECT component, number, checksum FROM aeterna_meta.migration"
_RECORD = "INSERT INTO aeterna_meta.migration (component, number, checksum) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `component` is the package it came from, `checksum` its SHA-256 in hexadecimal."""

    component: str
    number: int
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


class MigrationChanged(AppError):
    """A migration that already ran has been edited: write a new one instead."""

    kind, reason = Kind.PRECONDITION, "MIGRATION_CHANGED"

    def __init__(self, migration: Migration) -> None:
        number = f"{migration.number:04}"
        super().__init__(
            f"Migration {migration.component}/{number} was edited after it ran.",
            component=migration.component,
            number=number,
        )


def load(components: Sequence[str]) -> list[Migration]:
    """The migrations of the named packages, packages in the given order, numbers ascending."""
    return [migration for component in components for migration in _of(component)]


def _of(component: str) -> list[Migration]:
    folder = files(component) / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if _FILE.fullmatch(entry.name))
    return [Migration(component, int(name[:4]), (folder / name).read_text()) for name in names]


async def migrate(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> int:
    """Runs what has not run yet, in order; returns how many ran.

    Raises:
        MigrationChanged: One that ran before differs from its file; nothing more is run.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(_BOOK)
        todo = await pending(connection, migrations)
        for migration in todo:
            await _run(connection, migration)
        return len(todo)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def pending(
    connection: asyncpg.Connection, migrations: Sequence[Migration]
) -> list[Migration]:
    """What has not run yet, in order; any role of the suite may ask.

    What a newer release ran besides is of no concern: it is safe for older ones.

    Raises:
        MigrationChanged: One that ran differs from its file.
    """
    if not await connection.fetchval(_BOOK_EXISTS):
        return list(migrations)
    done = {(row[0], row[1]): row[2] for row in await connection.fetch(_APPLIED)}
    _refuse_edited(migrations, done)
    return [each for each in migrations if (each.component, each.number) not in done]


def _refuse_edited(migrations: Sequence[Migration], done: dict[tuple[str, int], str]) -> None:
    for migration in migrations:
        before = done.get((migration.component, migration.number))
        if before not in (None, migration.checksum):
            raise MigrationChanged(migration)


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(_RECORD, migration.component, migration.number, migration.checksum)
    log.info("migration.applied", component=migration.component, number=migration.number)
