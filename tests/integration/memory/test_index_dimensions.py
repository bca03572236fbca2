"""A tenant's index changes to shorter vectors and back, as administrators and searches meet it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2

from aeterna.common.v1 import operation_pb2
from aeterna.memory.v1 import memory_pb2, settings_pb2
from libs.auth import Role
from libs.vectors.reindexing import Reindexing
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.suite import Metadata, Suite, open_suite

NAME = "memorySettings"
KIND = "ChangeIndexDimensions"
_DONE = "SELECT max(done) FROM aeterna.vector_layout"
TEXTS = [
    f"Meeting {number}: the {what} is late." for number in range(12) for what in ("cat", "invoice")
]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small steps, and no time for searches that go by an older layout."""
    monkeypatch.setattr("libs.vectors.reindexing._BATCH", 5)
    monkeypatch.setattr("libs.vectors.layouts.TRUSTED", 0.0)
    monkeypatch.setattr(
        "services.memory.wiring.Reindexing", partial(Reindexing, grace=timedelta(0))
    )


@pytest.fixture(params=["pgvector", "qdrant"])
async def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[QdrantServer | None]:
    """Where vectors are."""
    if request.param == "pgvector":
        yield None
        return
    server = QdrantServer()
    server.start()
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", server.url)
    yield server
    server.stop()


async def add(suite: Suite, acme: Metadata, *texts: str) -> None:
    requests = [
        memory_pb2.CreateMemoryRequest(
            memory=memory_pb2.Memory(layer=memory_pb2.LAYER_COMPANY, content=text)
        )
        for text in texts
    ]
    request = memory_pb2.BatchCreateMemoriesRequest(requests=requests)
    await suite.memory.BatchCreateMemories(request, metadata=acme)


async def search(suite: Suite, acme: Metadata) -> memory_pb2.SearchMemoriesResponse:
    request = memory_pb2.SearchMemoriesRequest(
        query="when is the cat late?", strategy=memory_pb2.SEARCH_STRATEGY_SEMANTIC, limit=100
    )
    return await suite.memory.SearchMemories(request, metadata=acme)


async def found(suite: Suite, acme: Metadata) -> dict[str, float]:
    return {each.memory.content: each.score for each in (await search(suite, acme)).results}


async def get(suite: Suite, acme: Metadata) -> settings_pb2.MemorySettings:
    request = settings_pb2.GetMemorySettingsRequest(name=NAME)
    return await suite.memory_settings.GetMemorySettings(request, metadata=acme)


async def change(suite: Suite, acme: Metadata, length: int) -> settings_pb2.MemorySettings:
    request = settings_pb2.UpdateMemorySettingsRequest()
    request.memory_settings.name, request.memory_settings.index_dimensions = NAME, length
    request.update_mask.paths.append("index_dimensions")
    return await suite.memory_settings.UpdateMemorySettings(request, metadata=acme)


async def operations(suite: Suite, acme: Metadata) -> list[operations_pb2.Operation]:
    request = operations_pb2.ListOperationsRequest(filter=f'kind = "{KIND}"')
    answer = await suite.operations.ListOperations(request, metadata=acme)
    return list(answer.operations)


async def ended(suite: Suite, acme: Metadata) -> operations_pb2.Operation:
    """The newest operation, once it has."""
    newest = operations_pb2.Operation()

    async def has() -> bool:
        newest.CopyFrom((await operations(suite, acme))[0])
        return bool(newest.done)

    await eventually(has)
    return newest


async def test_searches_change_over_and_find_the_same(
    database: Database, tmp_path: Path, store: QdrantServer | None
) -> None:
    async with open_suite(database, tmp_path) as suite:
        acme, bolt = await suite.create_tenant("acme"), await suite.create_tenant("bolt")
        await add(suite, acme, *TEXTS)
        await add(suite, bolt, *TEXTS[:2])
        before = await found(suite, acme)
        assert len(before) == len(TEXTS)
        assert (await get(suite, acme)).searched_dimensions == 256

        for length, searched in ((64, 64), (128, 128), (0, 256)):
            assert (await change(suite, acme, length)).index_dimensions == length
            await add(suite, acme, f"Meanwhile the cat moved to {length}.")
            operation = await ended(suite, acme)

            response = settings_pb2.ChangeIndexDimensionsResponse()
            assert operation.response.Unpack(response)
            assert response.index_dimensions == searched
            assert response.memories >= len(TEXTS)
            metadata = operation_pb2.OperationMetadata()
            assert operation.metadata.Unpack(metadata)
            assert metadata.done == response.memories
            assert metadata.total >= len(TEXTS)
            assert (await get(suite, acme)).searched_dimensions == searched
            assert (await search(suite, acme)).vector_use.searched_dimensions == searched
            after = await found(suite, acme)
            assert {text: after[text] for text in before} == pytest.approx(before, abs=2e-3)
            assert f"Meanwhile the cat moved to {length}." in after
        assert (await get(suite, bolt)).searched_dimensions == 256
        assert len(await found(suite, bolt)) == 2


async def test_another_process_goes_on_where_one_stopped(
    database: Database, tmp_path: Path, store: QdrantServer | None
) -> None:
    async with open_suite(database, tmp_path) as suite:
        acme = await suite.create_tenant("acme")
        await add(suite, acme, *TEXTS)
        await change(suite, acme, 64)

        async def under_way() -> bool:
            async with database.connect() as superuser:
                done: int | None = await superuser.fetchval(_DONE)
            return done is not None and done > 0

        await eventually(under_way)
    async with open_suite(database, tmp_path) as suite:
        await add(suite, acme, "A late cat.")
        assert (await ended(suite, acme)).HasField("response")
        assert (await get(suite, acme)).searched_dimensions == 64
        assert set(await found(suite, acme)) == {*TEXTS, "A late cat."}


async def test_what_the_model_was_not_trained_for_changes_nothing(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")

    with fails_with("EMBEDDING_LENGTH_UNTRAINED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await change(suite, acme, 100)
    with fails_with("INVALID_REQUEST", "memory_settings.index_dimensions"):
        await change(suite, acme, -1)

    settings = await get(suite, acme)
    assert (settings.version, settings.index_dimensions) == (1, 0)
    assert await operations(suite, acme) == []


async def test_one_change_at_a_time(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, gate = await suite.create_tenant("acme"), asyncio.Event()
    step = Reindexing.step

    async def gated(self: Reindexing, *arguments: Any) -> Any:
        await gate.wait()
        return await step(self, *arguments)

    monkeypatch.setattr(Reindexing, "step", gated)
    await change(suite, acme, 64)
    with fails_with("OPERATION_UNDER_WAY", code=grpc.StatusCode.FAILED_PRECONDITION):
        await change(suite, acme, 128)
    assert (await get(suite, acme)).index_dimensions == 64
    gate.set()
    await ended(suite, acme)

    assert (await change(suite, acme, 64)).searched_dimensions == 64
    assert len(await operations(suite, acme)) == 1


async def test_only_administrators_change_it(suite: Suite) -> None:
    await suite.create_tenant("acme")
    developer = suite.auth("acme", "dan", (Role.DEVELOPER,))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await change(suite, developer, 64)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
