"""The vector index goes away and comes back: no write is lost, and the worker catches up."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from aeterna.memory.v1 import memory_pb2 as pb
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.suite import Metadata, Suite, open_suite


@pytest.fixture
async def index() -> AsyncIterator[QdrantServer]:
    """A Qdrant over HTTP that keeps its data while it is stopped."""
    server = QdrantServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def with_qdrant(
    database: Database, tmp_path: Path, index: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    """The suite with its memories in that index."""
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", index.url)
    async with open_suite(database, tmp_path) as suite:
        yield suite


async def _add(suite: Suite, acme: Metadata, content: str) -> str:
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content=content)
    request = pb.CreateMemoryRequest(memory=memory)
    return (await suite.memory.CreateMemory(request, metadata=acme)).name


async def _answer(
    suite: Suite, acme: Metadata, query: str, **values: Any
) -> pb.SearchMemoriesResponse:
    request = pb.SearchMemoriesRequest(query=query, **values)
    return await suite.memory.SearchMemories(request, metadata=acme)


async def _search(suite: Suite, acme: Metadata, query: str, **values: Any) -> list[str]:
    results = (await _answer(suite, acme, query, **values)).results
    return [result.memory.content for result in results]


async def test_what_was_written_while_the_index_was_down_is_found_when_it_is_back(
    with_qdrant: Suite, index: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    before = await _add(suite, acme, "cats before the outage")
    doomed = await _add(suite, acme, "cats that were deleted")
    assert len(await _search(suite, acme, "cats")) == 2

    index.stop()
    during = await _add(suite, acme, "cats during the outage")
    await suite.memory.DeleteMemory(pb.DeleteMemoryRequest(name=doomed), metadata=acme)
    changed = pb.Memory(name=before, content="dogs, after a change")
    await suite.memory.UpdateMemory(pb.UpdateMemoryRequest(memory=changed), metadata=acme)
    with fails_with("INDEX_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
        await _search(suite, acme, "cats", strategy=pb.SEARCH_STRATEGY_SEMANTIC)
    answer = await _answer(suite, acme, "cats")
    assert [each.memory.content for each in answer.results] == ["cats during the outage"]
    assert answer.missing_signals == ["semantic"]
    read = await suite.memory.GetMemory(pb.GetMemoryRequest(name=during), metadata=acme)
    assert read.content == "cats during the outage"
    assert await _waiting(suite) == 3

    index.start()

    async def caught_up() -> bool:
        found = await _search(suite, acme, "cats", strategy=pb.SEARCH_STRATEGY_SEMANTIC)
        return found == ["cats during the outage", "dogs, after a change"]

    await eventually(caught_up)
    await eventually(lambda: _nothing_waits(suite))


async def _nothing_waits(suite: Suite) -> bool:
    return await _waiting(suite) == 0


async def _waiting(suite: Suite) -> int:
    async with suite.database.connect() as superuser:
        count: int = await superuser.fetchval("SELECT count(*) FROM aeterna.projection_queue")
        return count


async def test_a_stale_index_shows_nothing_that_is_gone(
    with_qdrant: Suite, index: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    doomed = await _add(suite, acme, "cats that were deleted")
    index.stop()
    await suite.memory.DeleteMemory(pb.DeleteMemoryRequest(name=doomed), metadata=acme)

    index.start()

    assert await _search(suite, acme, "cats") == []
