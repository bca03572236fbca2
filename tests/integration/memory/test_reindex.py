"""Making the indexes of all memories anew: what searches find afterwards is as if nothing had
happened to the indexes, whatever happened to the memories meanwhile."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from aeterna.memory.v1 import maintenance_pb2, memory_pb2
from libs.embedding import Direct, Vectors
from libs.embedding.local import LocalEmbedder
from libs.lexical.postings import Postings
from libs.operations import Progress
from libs.service.platform import open_platform
from libs.spine.versioned import VersionedTable
from libs.tenancy import TenantId
from libs.vectors import Collection
from libs.vectors.pgvector import PgVectorIndex
from libs.vectors.projection import Projector
from services.memory.indexing import Indexing
from services.memory.maintenance.reindex import Reindex
from services.memory.maintenance.walk import Walk
from services.memory.store.rows import COLLECTION, MEMORIES
from services.memory.store.source import memory_source
from tests.databases import Database
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.suite import Metadata, Suite, open_suite

WORDS = [
    "fox",
    "dog",
    "cat",
    "river",
    "bridge",
    "invoice",
    "deploy",
    "database",
    "garden",
    "pasta",
    "release",
    "timeout",
]
BY_WORDS = memory_pb2.SEARCH_STRATEGY_LEXICAL
BY_MEANING = memory_pb2.SEARCH_STRATEGY_SEMANTIC
INDEXES = ("document", "posting", "lexicon", "vector_256")


class Client:
    """A tenant's memories, by what they say: each says something else."""

    def __init__(self, suite: Suite, metadata: Metadata) -> None:
        self.suite, self.metadata = suite, metadata
        self.names: dict[str, str] = {}  # by content

    async def add(self, *contents: str) -> None:
        requests = [
            memory_pb2.CreateMemoryRequest(
                memory=memory_pb2.Memory(content=content, layer=memory_pb2.LAYER_COMPANY)
            )
            for content in contents
        ]
        for start in range(0, len(requests), 100):
            request = memory_pb2.BatchCreateMemoriesRequest(requests=requests[start : start + 100])
            answer = await self.suite.memory.BatchCreateMemories(request, metadata=self.metadata)
            self.names |= {each.content: each.name for each in answer.memories}

    async def change(self, old: str, new: str) -> None:
        name = self.names.pop(old)
        memory = memory_pb2.Memory(name=name, content=new)
        request = memory_pb2.UpdateMemoryRequest(memory=memory)
        await self.suite.memory.UpdateMemory(request, metadata=self.metadata)
        self.names[new] = name

    async def delete(self, content: str) -> None:
        request = memory_pb2.DeleteMemoryRequest(name=self.names.pop(content))
        await self.suite.memory.DeleteMemory(request, metadata=self.metadata)

    async def reindex(self) -> Any:
        request = maintenance_pb2.ReindexMemoriesRequest()
        begun = await self.suite.memory_maintenance.ReindexMemories(request, metadata=self.metadata)
        return begun.name

    async def reindexed(self) -> Any:
        """The operation once it has ended well."""
        name = await self.reindex()
        wait = operations_pb2.WaitOperationRequest(name=name, timeout=Duration(seconds=60))
        ended = await self.suite.operations.WaitOperation(wait, metadata=self.metadata)
        assert ended.done
        assert not ended.HasField("error"), ended.error
        return ended

    async def scores(
        self, query: str, strategy: memory_pb2.SearchStrategy.ValueType
    ) -> dict[str, float]:
        request = memory_pb2.SearchMemoriesRequest(query=query, limit=100, strategy=strategy)
        answer = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return {each.memory.content: each.score for each in answer.results}


async def forget_indexes(suite: Suite, tenant: str) -> None:
    """As if the memories had been stored before there were such indexes."""
    async with suite.database.connect() as superuser:
        for table in INDEXES:
            await superuser.execute(f"DELETE FROM aeterna.{table} WHERE tenant_id = $1", tenant)


async def is_as_if_just_stored(client: Client) -> None:
    """Every score is the one that a tenant gets that has just stored the same texts."""
    fresh = Client(client.suite, await client.suite.create_tenant("fresh"))
    await fresh.add(*client.names)
    for query in [*WORDS, " ".join(WORDS)]:
        for strategy in (BY_WORDS, BY_MEANING):
            found = await client.scores(query, strategy)
            expected = await fresh.scores(query, strategy)
            if strategy == BY_WORDS:  # of those that are as like the cut may be another
                assert found.keys() == expected.keys() or len(expected) == 100
            for content in found.keys() & expected.keys():
                assert found[content] == pytest.approx(expected[content], rel=1e-9)


def texts(count: int, seed: int = 1) -> list[str]:
    chosen = random.Random(seed)
    return [
        f"{' '.join(chosen.choices(WORDS, k=chosen.randint(1, 6)))} n{number}"
        for number in range(count)
    ]


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_memories_without_entries_are_found_as_if_just_stored(client: Client) -> None:
    await client.add(*texts(300))
    await forget_indexes(client.suite, "acme")
    assert await client.scores("fox", BY_WORDS) == {}

    ended = await client.reindexed()

    response = maintenance_pb2.ReindexMemoriesResponse()
    assert ended.response.Unpack(response)
    assert response.memories == 300
    await is_as_if_just_stored(client)


async def test_entries_that_are_there_do_not_count_twice(client: Client) -> None:
    await client.add(*texts(150))
    async with client.suite.database.connect() as superuser:
        rows = await superuser.fetch(
            "DELETE FROM aeterna.document WHERE tenant_id = 'acme' AND length % 2 = 0"
            " RETURNING entity_id, length"
        )
        await superuser.execute(
            "UPDATE aeterna.lexicon SET documents = documents - $1, length = length - $2"
            " WHERE tenant_id = 'acme'",
            len(rows),
            sum(row["length"] for row in rows),
        )

    for _ in range(2):
        await client.reindexed()

    await is_as_if_just_stored(client)


async def test_changes_meanwhile_are_not_overwritten(client: Client) -> None:
    await client.add(*texts(600))
    await forget_indexes(client.suite, "acme")
    chosen = random.Random(2)

    running = asyncio.create_task(client.reindexed())
    changes = 0
    while not running.done():
        old = chosen.choice(sorted(client.names))
        match chosen.randrange(3):
            case 0:
                await client.delete(old)
            case 1:
                await client.add(f"{chosen.choice(WORDS)} added {changes}")
            case _:
                await client.change(old, f"{chosen.choice(WORDS)} {chosen.choice(WORDS)} {changes}")
        changes += 1
    await running

    assert changes > 10
    await is_as_if_just_stored(client)


class Interrupted:
    """A real embedder; something happens while it works on the first texts."""

    def __init__(self, happens: Callable[[], Awaitable[None]]) -> None:
        self._embedder, self._happens = LocalEmbedder(), [happens]
        self.identity, self.dimensions = self._embedder.identity, self._embedder.dimensions
        self.prefixes = self._embedder.prefixes

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = await self._embedder.embed(texts)
        while self._happens:
            await self._happens.pop()()
        return np.asarray(vectors)


@asynccontextmanager
async def step(
    suite: Suite, happens: Callable[[], Awaitable[None]]
) -> AsyncIterator[Callable[[Progress], Awaitable[Progress]]]:
    """One step of reindexing acme, during which something happens."""
    async with open_platform(suite.platform) as platform:
        embedder = Direct(Interrupted(happens))
        collection = Collection(
            COLLECTION, embedder.identity, embedder.dimensions, embedder.prefixes
        )
        source = memory_source(platform.keyring, embedder)
        table, projector = VersionedTable(MEMORIES), Projector(PgVectorIndex(), collection, source)
        indexing = Indexing(platform.keyring, embedder)
        walk = Walk(table, Reindex(table, indexing, Postings(COLLECTION), projector))
        route = await platform.directory.route(TenantId("acme"))

        async def run(progress: Progress) -> Progress:
            return await walk(route, {}, progress)

        yield run


async def test_a_memory_that_changes_while_its_entry_is_made_keeps_the_new_one(
    client: Client,
) -> None:
    await client.add("the old fox", "a dog that goes", "a cat that stays")
    await forget_indexes(client.suite, "acme")

    async def happens() -> None:
        await client.change("the old fox", "the new river")
        await client.delete("a dog that goes")

    async with step(client.suite, happens) as run:
        progress = await run(await run(Progress()))

    assert (progress.finished, progress.done) == (True, 3)
    await is_as_if_just_stored(client)
    assert await client.scores("fox", BY_WORDS) == {}


async def test_a_change_by_a_release_that_makes_no_entries_is_noticed(client: Client) -> None:
    await client.add("the old fox", "a cat that stays")

    async def happens() -> None:
        await client.change("the old fox", "the new river")
        await forget_indexes(client.suite, "acme")

    async with step(client.suite, happens) as run:
        await run(await run(Progress()))

    await is_as_if_just_stored(client)


async def test_an_index_elsewhere_is_made_anew_too(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = QdrantServer()
    server.start()
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", server.url)
    async with open_suite(database, tmp_path) as suite:
        client = Client(suite, await suite.create_tenant("acme"))
        await client.add(*texts(80))
    server.stop()
    server = QdrantServer()  # empty
    server.start()
    monkeypatch.setenv("MEMORY_INDEX__URL", server.url)
    async with open_suite(database, tmp_path) as suite:
        client.suite = suite

        await client.reindexed()

        assert len(await client.scores("fox", BY_MEANING)) == 80
        async with database.connect() as superuser:

            async def is_empty() -> bool:
                count = "SELECT count(*) FROM aeterna.projection_queue"
                return bool(await superuser.fetchval(count) == 0)

            await eventually(is_empty)
    server.stop()
