"""The vector index in every store that has one, and tenants in it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from qdrant_client import QdrantClient

from libs.tenancy import Route
from libs.vectors import VectorIndex
from libs.vectors.pgvector import PgVectorIndex
from libs.vectors.qdrant import open_qdrant
from tests.contract.vectors.builders import RUN, Store, make_route
from tests.databases import Database, add_tenant
from tests.fakes.qdrant_server import QdrantServer


@pytest.fixture(scope="session")
def qdrant_url() -> Iterator[str]:
    """A real server if QDRANT_URL names one, else a fake."""
    if url := os.environ.get("QDRANT_URL"):
        yield url
        _clean(url)
        return
    server = QdrantServer()
    server.start()
    yield server.url
    server.stop()


def _clean(url: str) -> None:
    client = QdrantClient(url=url, check_compatibility=False)
    for each in client.get_collections().collections:
        if each.name.startswith(RUN):
            client.delete_collection(each.name)
    client.close()


@asynccontextmanager
async def _pgvector(_: str) -> AsyncIterator[VectorIndex]:
    yield PgVectorIndex()


@asynccontextmanager
async def _qdrant(url: str) -> AsyncIterator[VectorIndex]:
    async with open_qdrant(url, None) as index:
        yield index


_ADAPTERS = {"pgvector": (_pgvector, "postgres"), "qdrant": (_qdrant, "qdrant_url")}


@pytest.fixture(params=_ADAPTERS)
def address(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An adapter and where its server is; servers start outside of the test's event loop."""
    return request.param, request.getfixturevalue(_ADAPTERS[request.param][1])


@pytest.fixture
async def store(
    address: tuple[str, str], database: Database, pool: asyncpg.Pool
) -> AsyncIterator[Store]:
    adapter, where = address

    async def new_tenant() -> Route:
        route = make_route(pool)
        await add_tenant(database, route.tenant)
        return route

    async with _ADAPTERS[adapter][0](where) as index:
        yield Store(index, new_tenant)


@pytest.fixture
def index(store: Store) -> VectorIndex:
    return store.index


@pytest.fixture
async def acme(store: Store) -> Route:
    return await store.new_tenant()
