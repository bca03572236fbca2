"""Whether a database is up to date: what init containers of services ask before they start."""

import asyncio
from datetime import timedelta

import pytest

from cli.schema import DatabaseNotReady, MigrationsPending, check_database, migrate_database
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE, StoreUnavailable
from libs.postgres.bootstrap import OWNER_ROLE
from libs.postgres.migrate import MigrationChanged
from tests.databases import PASSWORD, Database
from tests.integration.cli.conftest import Folder

_LAST = "DELETE FROM aeterna_meta.migration WHERE component = 'services.knowledge'"
_NOBODY = "postgresql://127.0.0.1:1/aeterna"
_PATIENT = timedelta(seconds=30)

every_role = pytest.mark.parametrize("role", [OWNER_ROLE, SERVICE_ROLE, CONTROL_ROLE])


@every_role
async def test_every_role_sees_that_a_database_is_up_to_date(database: Database, role: str) -> None:
    await check_database(database.dsn, role, PASSWORD)


@every_role
async def test_every_role_sees_that_migrations_are_missing(database: Database, role: str) -> None:
    async with database.connect() as superuser:
        await superuser.execute(_LAST)

    with pytest.raises(MigrationsPending) as missing:
        await check_database(database.dsn, role, PASSWORD)

    assert missing.value.metadata == {"number": "1"}


async def test_an_empty_database_lacks_everything(database: Database) -> None:
    async with database.connect() as superuser:
        await superuser.execute("DROP SCHEMA aeterna_meta CASCADE")

    with pytest.raises(MigrationsPending):
        await check_database(database.dsn, SERVICE_ROLE, PASSWORD)


async def test_what_a_newer_release_ran_is_of_no_concern(database: Database) -> None:
    async with database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO aeterna_meta.migration (component, number, checksum)"
            " VALUES ('services.memory', 9999, 'of the next release')"
        )

    await check_database(database.dsn, SERVICE_ROLE, PASSWORD)
    assert await migrate_database(database.dsn, OWNER_ROLE, PASSWORD) == 0


async def test_a_migration_that_was_edited_is_no_matter_of_waiting(database: Database) -> None:
    async with database.connect() as superuser:
        await superuser.execute("UPDATE aeterna_meta.migration SET checksum = 'other'")

    with pytest.raises(MigrationChanged):
        await check_database(database.dsn, SERVICE_ROLE, PASSWORD, patience=_PATIENT)


async def test_whoever_waits_goes_on_once_the_migrations_have_run(database: Database) -> None:
    async with database.connect() as superuser:
        row = await superuser.fetchrow(f"{_LAST} RETURNING component, number, checksum")
        assert row
        waiting = asyncio.create_task(
            check_database(database.dsn, SERVICE_ROLE, PASSWORD, patience=_PATIENT)
        )
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done

        await superuser.execute(
            "INSERT INTO aeterna_meta.migration (component, number, checksum) VALUES ($1, $2, $3)",
            *row,
        )
        await waiting


async def test_a_role_or_database_that_is_not_there_yet_is_told_so(database: Database) -> None:
    with pytest.raises(DatabaseNotReady):
        await check_database(database.dsn.replace(database.name, "ghost"), SERVICE_ROLE, PASSWORD)
    with pytest.raises(DatabaseNotReady):
        await check_database(database.dsn, "ghost", PASSWORD)


async def test_a_server_that_is_not_there_is_told_so() -> None:
    with pytest.raises(StoreUnavailable):
        await check_database(_NOBODY, SERVICE_ROLE)


def test_the_command_says_with_its_exit_code_whether_a_database_is_up_to_date(
    served: Folder,
) -> None:
    current = served.run("migrate", "--check", "--dsn", served.dsn(), "--user", SERVICE_ROLE)
    older = served.run("migrate", "--wait", "0", "--dsn", served.dsn("postgres"))
    away = served.run("migrate", "--check", "--dsn", _NOBODY)
    unnamed = served.run("migrate", "--check")

    assert (current.code, current.out) == (0, "The database is up to date.\n")
    assert older.code == 5
    assert "MIGRATIONS_PENDING" in older.err
    assert away.code == 6
    assert unnamed.code == 2


async def shards_of(database: Database) -> list[tuple[str, str, str]]:
    async with database.connect(CONTROL_ROLE) as control:
        rows = await control.fetch("SELECT id, dsn, kind FROM control.shard")
    return [tuple(row) for row in rows]


async def test_a_database_registers_itself_once_it_is_up_to_date(database: Database) -> None:
    for _ in range(2):
        await migrate_database(database.dsn, OWNER_ROLE, PASSWORD, shard="main")

    assert await shards_of(database) == [("main", database.dsn, "shared")]


async def test_no_shard_is_registered_unasked(database: Database) -> None:
    await migrate_database(database.dsn, OWNER_ROLE, PASSWORD)

    assert await shards_of(database) == []


def test_the_command_registers_a_shard(served: Folder) -> None:
    registered = served.run("migrate", "--dsn", served.dsn(), "--shard", "second")

    assert registered.out == (
        "0 migrations ran; the database is up to date and registered as the shard second.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--shard", "No Label", "--dsn", _NOBODY), "shard: must be a DNS label"),
        (("--shard", "main", "--dsn", _NOBODY, "--check"), "shard: --check and --wait change"),
        (("--shard", "main"), "shard: the data folder registers itself"),
        (("--shard", "main", "--dsn", "postgresql://a:b@127.0.0.1:1/aeterna"), "dsn: services"),
    ],
)
def test_a_shard_that_cannot_be_registered_is_refused(
    served: Folder, arguments: tuple[str, ...], complaint: str
) -> None:
    result = served.run("migrate", *arguments)

    assert result.code == 2
    assert complaint in result.err
