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
async def with_qdrant(
    database: Database, tmp_path: Path, qdrant_server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    """The suite with its memories in that index."""
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", qdrant_server.url)
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
    with_qdrant: Suite, qdrant_server: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    before = await _add(suite, acme, "cats before the outage")
    doomed = await _add(suite, acme, "cats that were deleted")
    assert len(await _search(suite, acme, "cats")) == 2

    qdrant_server.stop()
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

    qdrant_server.start()

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
    with_qdrant: Suite, qdrant_server: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    doomed = await _add(suite, acme, "cats that were deleted")
    qdrant_server.stop()
    await suite.memory.DeleteMemory(pb.DeleteMemoryRequest(name=doomed), metadata=acme)

    qdrant_server.start()

    assert await _search(suite, acme, "cats") == []


@pytest.fixture
def wary(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found whole is looked at again at once."""
    monkeypatch.setattr("libs.vectors.losing._TRUSTED", 0.0)


async def _is_found(suite: Suite, who: Metadata, count: int) -> bool:
    try:
        found = await _search(suite, who, "cats", strategy=pb.SEARCH_STRATEGY_SEMANTIC)
    except grpc.RpcError:
        return False
    return len(found) == count


async def test_an_index_that_lost_its_data_is_away_and_filled_again(
    with_qdrant: Suite, qdrant_server: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    empty = await suite.create_tenant("empty")
    for number in range(3):
        await _add(suite, acme, f"cats, number {number}")
    assert await _is_found(suite, acme, 3)

    qdrant_server.lose()

    answer = await _answer(suite, acme, "cats")
    assert answer.missing_signals == ["semantic"]
    assert len(answer.results) == 3
    assert (await _answer(suite, empty, "cats")).missing_signals == []
    await eventually(lambda: _is_found(suite, acme, 3))
    await eventually(lambda: _nothing_waits(suite))
    assert (await _answer(suite, acme, "cats")).missing_signals == []


async def test_a_tenant_whose_data_is_lost_hears_of_it_though_others_write_again(
    wary: None, with_qdrant: Suite, qdrant_server: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    bolt = await suite.create_tenant("bolt")
    for number in range(3):
        await _add(suite, acme, f"cats, number {number}")

    qdrant_server.lose()
    await _add(suite, bolt, "cats of another")
    await eventually(lambda: _is_found(suite, bolt, 1))

    with fails_with("INDEX_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
        await _search(suite, acme, "cats", strategy=pb.SEARCH_STRATEGY_SEMANTIC)
    await eventually(lambda: _is_found(suite, acme, 3))


async def test_it_is_filled_again_from_rows_whose_changes_were_pruned(
    with_qdrant: Suite, qdrant_server: QdrantServer
) -> None:
    suite, acme = with_qdrant, await with_qdrant.create_tenant("acme")
    for number in range(3):
        await _add(suite, acme, f"cats, number {number}")
    async with suite.database.connect() as superuser:
        await superuser.execute("DELETE FROM aeterna.change WHERE tenant_id = 'acme'")

    qdrant_server.lose()

    assert not await _is_found(suite, acme, 3)
    await eventually(lambda: _is_found(suite, acme, 3))
    await eventually(lambda: _nothing_waits(suite))
