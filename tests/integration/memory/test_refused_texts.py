"""Memories whose texts a provider refuses when their vectors are made anew."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from aeterna.memory.v1 import maintenance_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from tests.databases import Database
from tests.fakes.embeddings_server import MODEL, Server, embeddings_server
from tests.suite import Metadata, Suite, open_suite

DIMENSIONS = 64


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    async with embeddings_server() as server:
        server.vector = lambda text: random.Random(text).choices((-1.0, 1.0), k=DIMENSIONS)
        yield server


@pytest.fixture
async def suite(
    provider: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    values = {"PROVIDER": "openai", "BASE_URL": provider.url, "MODEL": MODEL}
    for name, value in {**values, "DIMENSIONS": str(DIMENSIONS)}.items():
        monkeypatch.setenv(f"MEMORY_EMBEDDING__{name}", value)
    async with open_suite(database, tmp_path) as suite:
        yield suite


async def add(suite: Suite, acme: Metadata, *texts: str) -> None:
    for text in texts:
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content=text)
        await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)


async def reindexed(suite: Suite, acme: Metadata) -> operations_pb2.Operation:
    """The operation once it has ended, with a provider that is asked for every text."""
    await suite.memory.InvalidateEmbeddings(pb.InvalidateEmbeddingsRequest(), metadata=acme)
    request = maintenance_pb2.ReindexMemoriesRequest()
    begun = await suite.memory_maintenance.ReindexMemories(request, metadata=acme)
    wait = operations_pb2.WaitOperationRequest(name=begun.name, timeout=Duration(seconds=30))
    ended = await suite.operations.WaitOperation(wait, metadata=acme)
    assert ended.done
    return ended


async def found(
    suite: Suite, acme: Metadata, query: str, strategy: pb.SearchStrategy.ValueType
) -> set[str]:
    request = pb.SearchMemoriesRequest(query=query, strategy=strategy)
    answer = await suite.memory.SearchMemories(request, metadata=acme)
    return {each.memory.content for each in answer.results}


async def test_a_text_that_is_refused_keeps_no_other_from_its_vector(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    await add(suite, acme, "the first cat", "an odious cat", "the last cat")
    provider.refuses = lambda text: "odious" in text

    ended = await reindexed(suite, acme)

    response = maintenance_pb2.ReindexMemoriesResponse()
    assert ended.response.Unpack(response), ended.error
    assert (response.memories, response.memories_without_vector) == (3, 1)
    by_meaning = await found(suite, acme, "cat", pb.SEARCH_STRATEGY_SEMANTIC)
    assert by_meaning == {"the first cat", "the last cat"}
    everything = {*by_meaning, "an odious cat"}
    assert await found(suite, acme, "cat", pb.SEARCH_STRATEGY_LEXICAL) == everything
    assert await found(suite, acme, "cat", pb.SEARCH_STRATEGY_HYBRID) == everything


async def test_a_provider_that_refuses_everything_costs_no_memory_its_vector(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    await add(suite, acme, "the first cat", "the last cat")
    provider.refuses = lambda _: True

    ended = await reindexed(suite, acme)

    assert "refused the text" in ended.error.message
    provider.refuses = lambda _: False
    assert len(await found(suite, acme, "cat", pb.SEARCH_STRATEGY_SEMANTIC)) == 2
