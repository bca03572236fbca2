"""Real stores for every test: one server per run, one migrated template, one database per test.

Under xdist the controller starts the servers and the workers share them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from libs import logs
from libs.postgres import open_pool
from libs.tenancy import Route, ShardId, TenantId
from tests.databases import Database, add_tenant, make_template
from tests.servers import postgres_server, redis_server
from tests.spares import Spares

if TYPE_CHECKING:
    from tests.fakes.qdrant_server import QdrantServer
    from tests.suite import Suite


# Slow machines and the first use of Unicode tables are no reason to fail.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


class Servers:
    """The servers of this run, started when first asked for."""

    def __init__(self, given: dict[str, str]) -> None:
        self._urls = given
        self._stack = ExitStack()

    def postgres(self) -> str:
        """A superuser's DSN of a server that holds the template."""
        if "postgres" not in self._urls:
            dsn = self._stack.enter_context(postgres_server())
            asyncio.run(make_template(dsn))
            self._urls["postgres"] = dsn
        return self._urls["postgres"]

    def redis(self) -> str:
        """The URL of a Redis server."""
        if "redis" not in self._urls:
            self._urls["redis"] = self._stack.enter_context(redis_server())
        return self._urls["redis"]

    def close(self) -> None:
        """Stops what was started here."""
        self._stack.close()


_SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    logs.configure("warning", console=False)
    config.stash[_SERVERS] = Servers(dict(getattr(config, "workerinput", {}).get("servers", {})))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Only the controller of xdist calls this, before it starts a worker."""
    servers: Servers = node.config.stash[_SERVERS]
    node.workerinput["servers"] = {"postgres": servers.postgres(), "redis": servers.redis()}


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The servers of this run."""
    return request.config.stash[_SERVERS]


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> str:
    """A superuser's DSN of the run's PostgreSQL, which holds the template."""
    return servers.postgres()


@pytest.fixture(scope="session")
def spares(postgres: str) -> Iterator[Spares]:
    """Databases that tests use one after the other."""
    spares = Spares(postgres)
    yield spares
    asyncio.run(spares.close())


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The URL of the run's Redis."""
    return servers.redis()


@pytest.fixture
def qdrant_server() -> "Iterator[QdrantServer]":
    """A fake over HTTP that keeps its data while the test has it stopped."""
    from tests.fakes.qdrant_server import QdrantServer

    server = QdrantServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def database(spares: Spares) -> AsyncIterator[Database]:
    """A migrated database of the test's own; its DSNs are for the roles that services use."""
    async with spares.lend() as database:
        yield database


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """Connected as the role of the services: a superuser would bypass row-level security."""
    async with open_pool(database.settings()) as pool:
        yield pool


@pytest.fixture
def new_route(database: Database, pool: asyncpg.Pool) -> Callable[[str], Any]:
    """Makes a tenant, without keys, and gives the way to it."""

    async def make(tenant: str) -> Route:
        await add_tenant(database, tenant)
        return Route(TenantId(tenant), ShardId("main"), 1, pool)

    return make


@pytest.fixture
async def route(new_route: Callable[[str], Any]) -> Route:
    """The way to a tenant of the test's own that has no keys yet."""
    made: Route = await new_route("acme")
    return made


@pytest.fixture
async def suite(database: Database, tmp_path: Path) -> AsyncIterator["Suite"]:
    """All services, in this process, on a database of the test's own."""
    from tests.suite import open_suite

    async with open_suite(database, tmp_path) as suite:
        yield suite


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for the suite and everything that calls it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared_suite(
    spares: Spares, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Suite"]:
    """One suite for every example: each has tenants of its own."""
    from tests.suite import open_suite

    stack = AsyncExitStack()

    async def open_it(folder: Path) -> "Suite":
        database = await stack.enter_async_context(spares.lend())
        return await stack.enter_async_context(open_suite(database, folder))

    try:
        yield runner.run(open_it(tmp_path_factory.mktemp("suite")))
    finally:
        runner.run(stack.aclose())
