"""A pool over two real servers, a primary and its streaming standby, that change their roles."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from libs.embedded.postgres import PostgresServer, embedded_postgres
from libs.postgres import DatabaseSettings, StoreUnavailable, lend, open_pool, store_errors
from libs.postgres.hosts import connect_writable
from tests.eventually import eventually
from tests.gate import Gate, gate_to

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "hot_standby": "on"}
_READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = {}"
_WHO = "SELECT current_setting('cluster_name')"


@dataclass
class Pair:
    """Two servers behind gates, so that they have ports; the first one begins as the primary."""

    first: PostgresServer
    second: PostgresServer
    gates: tuple[Gate, Gate]

    @property
    def dsn(self) -> str:
        """Of both, the second one first: whoever connects has to pass over it."""
        hosts = ",".join(urlsplit(gate.url).netloc.rpartition("@")[2] for gate in self.gates[::-1])
        return f"postgresql://{hosts}/postgres"

    async def promote(self) -> None:
        """The first server is gone; the second one takes over."""
        await self.gates[0].stop()
        await execute(self.second, "SELECT pg_promote()")


async def execute(server: PostgresServer, *statements: str) -> None:
    connection = await asyncpg.connect(server.dsn())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def running(folder: Path, name: str, **settings: str) -> AsyncIterator[PostgresServer]:
    chosen = {**_SETTINGS, "cluster_name": name, **settings}
    async with embedded_postgres(folder, settings=chosen) as server:
        yield server


def copy_as_standby(folder: Path) -> None:
    """Makes `second` in the folder from `first`, which must not run."""
    shutil.copytree(folder / "first" / "data", folder / "second" / "data")
    owner = (folder / "first" / "data").stat()
    (folder / "second" / "data" / "standby.signal").touch()
    for path in (folder / "second", *(folder / "second").rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    (folder / "second" / "data").chmod(0o700)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to the account of PostgreSQL, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
async def pair(folder: Path) -> AsyncIterator[Pair]:
    async with running(folder / "first", "first") as first:
        await execute(first, "CREATE TABLE number (it int)")
    copy_as_standby(folder)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(folder / "first", "first"))
        source = f"host={first.sockets} port=5432 user=postgres"
        second = await stack.enter_async_context(
            running(folder / "second", "second", primary_conninfo=source)
        )
        gates = [await stack.enter_async_context(gate_to(each.dsn())) for each in (first, second)]
        yield Pair(first, second, (gates[0], gates[1]))


@pytest.fixture
async def pool(pair: Pair) -> AsyncIterator[asyncpg.Pool]:
    settings = DatabaseSettings(dsn=pair.dsn, user="postgres", pool_size=4)
    async with open_pool(settings) as pool:
        yield pool


async def written(pool: asyncpg.Pool, number: int) -> str:
    """Writes the number; the name of the server that took it."""
    with store_errors():
        async with lend(pool) as conn:
            await conn.execute("INSERT INTO number VALUES ($1)", number)
            return str(await conn.fetchval(_WHO))


async def busy(pool: asyncpg.Pool) -> None:
    """Every connection of the pool is open afterwards."""
    async with AsyncExitStack() as stack:
        for _ in range(pool.get_max_size()):
            await stack.enter_async_context(pool.acquire())


async def test_connections_go_to_the_primary_wherever_it_is_listed(pool: asyncpg.Pool) -> None:
    await busy(pool)

    assert {await written(pool, number) for number in range(8)} == {"first"}


async def test_writes_go_on_at_the_new_primary(pair: Pair, pool: asyncpg.Pool) -> None:
    await busy(pool)
    assert await written(pool, 1) == "first"

    async def streamed() -> bool:
        connection = await asyncpg.connect(pair.second.dsn())
        try:
            return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM number)"))
        finally:
            await connection.close()

    await eventually(streamed)
    await pair.promote()

    async def goes_on() -> bool:
        try:
            return await written(pool, 2) == "second"
        except StoreUnavailable:
            return False

    await eventually(goes_on)
    assert {row["it"] for row in await pool.fetch("SELECT it FROM number")} == {1, 2}


async def test_one_error_is_enough_to_leave_a_demoted_server(
    pair: Pair, pool: asyncpg.Pool
) -> None:
    await busy(pool)
    await execute(pair.second, "SELECT pg_promote()")
    await execute(pair.first, _READ_ONLY.format("on"), "SELECT pg_reload_conf()")

    async def is_demoted() -> bool:
        connection = await asyncpg.connect(pair.first.dsn())
        try:
            return bool(await connection.fetchval("SHOW default_transaction_read_only") == "on")
        finally:
            await connection.close()

    await eventually(is_demoted)
    failures, names = 0, set()
    for number in range(3 * pool.get_max_size()):
        try:
            names.add(await written(pool, number))
        except StoreUnavailable:
            failures += 1

    assert failures <= 1
    assert names == {"second"}


async def test_a_server_that_falls_silent_does_not_keep_the_connections(
    pair: Pair, pool: asyncpg.Pool
) -> None:
    await busy(pool)
    pair.gates[0].freeze()
    await execute(pair.second, "SELECT pg_promote()")
    for number in range(pool.get_max_size()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), lend(pool) as conn:
                await conn.execute("INSERT INTO number VALUES ($1)", number)

    async with asyncio.timeout(5):
        assert await written(pool, 1) == "second"


async def test_without_a_primary_the_store_is_unavailable(pair: Pair, pool: asyncpg.Pool) -> None:
    await pair.gates[0].stop()

    with pytest.raises(StoreUnavailable):
        await written(pool, 1)


async def test_a_host_that_does_not_answer_holds_nobody_up(pair: Pair) -> None:
    pair.gates[1].freeze()

    async with asyncio.timeout(4.5):  # it would be waited for five seconds
        connection = await connect_writable(pair.dsn, user="postgres")

    assert await connection.fetchval(_WHO) == "first"
    await connection.close()


async def test_a_standby_is_found_that_takes_over_from_a_host_that_does_not_answer(
    pair: Pair,
) -> None:
    pair.gates[0].freeze()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        connecting = group.create_task(connect_writable(pair.dsn, user="postgres"))
        await pair.gates[1].arrivals.acquire()
        await execute(pair.second, "SELECT pg_promote()")

    assert await connecting.result().fetchval(_WHO) == "second"
    await connecting.result().close()


async def test_a_standby_is_not_stormed_while_another_host_does_not_answer(pair: Pair) -> None:
    pair.gates[0].freeze()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await connect_writable(pair.dsn, user="postgres")

    arrivals = 0
    while not pair.gates[1].arrivals.locked():
        await pair.gates[1].arrivals.acquire()
        arrivals += 1
    assert 1 <= arrivals <= 20
