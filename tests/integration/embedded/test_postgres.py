import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from libs.embedded.errors import DataFolderUnusable, PostgresFailed, PostgresPathUnreachable
from libs.embedded.postgres import PostgresServer, embedded_postgres
from libs.errors import Kind

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
FAST = {"fsync": "off"}


@pytest.fixture
def closed(folder: Path) -> Path:
    """Below a parent that only its owner may pass."""
    (folder / "home").mkdir(mode=0o700)
    return folder / "home" / "data" / "postgres"


@asynccontextmanager
async def connection(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(server.dsn())
    try:
        yield conn
    finally:
        await conn.close()


async def answers(server: PostgresServer) -> bool:
    async with connection(server) as conn:
        return bool(await conn.fetchval("SELECT true"))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_new_server_is_set_up_for_the_suite(folder: Path) -> None:
    async with embedded_postgres(folder) as server, connection(server) as conn:
        rows = await conn.fetch("SELECT name, setting FROM pg_settings")
        await conn.execute("CREATE EXTENSION vector")
        ordered = await conn.fetchval(
            "SELECT array_agg(v ORDER BY v) FROM unnest('{b,a,B}'::text[]) v"
        )
        lowered = await conn.fetchval("SELECT lower('Ä')")

    settings = {row["name"]: row["setting"] for row in rows}
    assert settings["fsync"] == settings["data_checksums"] == "on"
    assert settings["wal_level"] == "logical"
    assert settings["jit"] == "off"
    assert settings["max_connections"] == "200"
    assert settings["listen_addresses"] == ""
    assert settings["server_encoding"] == "UTF8"
    assert ordered == ["B", "a", "b"]
    assert lowered == "ä"


async def test_settings_of_the_caller_win_but_for_the_address(folder: Path) -> None:
    mine = {"fsync": "off", "jit": "on", "listen_addresses": "*"}
    async with embedded_postgres(folder, settings=mine) as server, connection(server) as conn:
        assert await conn.fetchval("SHOW fsync") == "off"
        assert await conn.fetchval("SHOW jit") == "on"
        assert await conn.fetchval("SHOW listen_addresses") == ""


async def test_a_stopped_server_is_gone_and_its_data_are_not(folder: Path) -> None:
    async with embedded_postgres(folder) as server, connection(server) as conn:
        await conn.execute("CREATE TABLE kept AS SELECT 7 AS value")

    with pytest.raises(OSError, match=r"No such file|refused"):
        await asyncpg.connect(server.dsn())
    async with embedded_postgres(folder) as server, connection(server) as conn:
        assert await conn.fetchval("SELECT value FROM kept") == 7


async def test_any_role_and_database_may_be_named(folder: Path) -> None:
    async with embedded_postgres(folder, settings=FAST) as server:
        async with connection(server) as conn:
            await conn.execute('CREATE ROLE "an app/role" LOGIN')
            await conn.execute('CREATE DATABASE "odd?&name"')
        conn = await asyncpg.connect(server.dsn("odd?&name", "an app/role"))
        assert await conn.fetchval("SELECT current_user") == "an app/role"
        await conn.close()


async def test_only_the_servers_account_can_enter_its_folders(folder: Path) -> None:
    async with embedded_postgres(folder / "postgres", settings=FAST) as server:
        assert [mode(folder / "postgres" / name) for name in ("", "data")] == [0o700, 0o700]
        assert mode(server.sockets) == 0o700
        assert (folder / "postgres" / "data").stat().st_uid != 0


async def test_a_failed_statement_leaves_no_content_in_the_log(folder: Path) -> None:
    async with embedded_postgres(folder, settings=FAST) as server, connection(server) as conn:
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await conn.execute("SELECT 'private words'::int")

    log = (folder / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "private words" not in log


@pytest.mark.parametrize("name", ["deep" * 30, "a,b", 'a"b', "a b:c"])
async def test_the_path_may_be_unfit_for_a_socket(name: str, folder: Path) -> None:
    async with embedded_postgres(folder / name, settings=FAST) as server:
        assert await answers(server)
        assert mode(server.sockets) == 0o700


async def test_a_server_that_does_not_start_points_at_its_log(folder: Path) -> None:
    with pytest.raises(PostgresFailed) as failed:
        async with embedded_postgres(folder, settings={**FAST, "wal_level": "nonsense"}):
            pass

    assert failed.value.kind is Kind.PRECONDITION
    assert str(folder / "postgres.log") in str(failed.value)
    assert "nonsense" in (folder / "postgres.log").read_text()


async def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(DataFolderUnusable, match=str(folder / "file")):
        async with embedded_postgres(folder / "file" / "below"):
            pass


@as_root
async def test_a_closed_parent_is_named_with_the_way_out(closed: Path) -> None:
    with pytest.raises(PostgresPathUnreachable, match="--data") as refused:
        async with embedded_postgres(closed):
            pass

    assert refused.value.metadata["blocked"] == str(closed.parents[1])


@as_root
async def test_data_keep_their_account(folder: Path) -> None:
    os.chown(folder, 65534, 65534)

    async with embedded_postgres(folder, settings=FAST) as server:
        assert await answers(server)
        assert (folder / "data" / "postmaster.pid").stat().st_uid == 65534
