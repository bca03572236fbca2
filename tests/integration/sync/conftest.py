from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.databases import Database, add_tenant, make_template
from tests.integration.sync.replicas import Replica, open_replica
from tests.servers import StoppablePostgres, stoppable_postgres

OpenReplica = Callable[..., AbstractAsyncContextManager[Replica]]


@pytest.fixture
async def tenants(database: Database) -> None:
    for tenant in ("acme", "bolt"):
        await add_tenant(database, tenant)


@pytest.fixture
def opened(tenants: None, database: Database, tmp_path: Path) -> OpenReplica:
    """Opens a replica on the test's database, where the tenants acme and bolt exist."""
    return partial(open_replica, database, tmp_path)


@pytest.fixture
async def replica(opened: OpenReplica) -> AsyncIterator[Replica]:
    async with opened() as replica:
        yield replica


@pytest.fixture
async def stoppable() -> AsyncIterator[tuple[StoppablePostgres, Database]]:
    """A server of the test's own to take away, and a database on it with the tenant acme."""
    async with stoppable_postgres() as server:
        await make_template(server.dsn())
        async with Database.copy(server.dsn()) as database:
            await add_tenant(database, "acme")
            yield server, database
            await server.stop()
            await server.start()  # to be tidied up
