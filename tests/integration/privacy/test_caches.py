"""What was embedded about a person lies in Redis without a word of it, and does not count after the
erasure."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr

from aeterna.memory.v1 import memory_pb2
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database
from tests.eventually import eventually
from tests.fakes.embeddings_server import MODEL, Server, embeddings_server
from tests.integration.privacy.people import ANN, CANARY, IDENTIFIERS, MAIL, People
from tests.suite import Suite, open_suite

_DIMENSIONS = 64


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """Memory and knowledge embed with it."""
    async with embeddings_server() as server:
        server.vector = lambda text: random.Random(text).choices((-1.0, 1.0), k=_DIMENSIONS)
        values = {"PROVIDER": "openai", "BASE_URL": server.url, "MODEL": MODEL}
        for name, value in {**values, "DIMENSIONS": str(_DIMENSIONS)}.items():
            for service in ("MEMORY", "KNOWLEDGE"):
                monkeypatch.setenv(f"{service}_EMBEDDING__{name}", value)
        yield server


@pytest.fixture
async def suite(
    provider: Server, database: Database, tmp_path: Path, redis_url: str
) -> AsyncIterator[Suite]:
    wakeups = WakeupSettings(transport="redis", redis_url=SecretStr(redis_url))
    async with open_suite(database, tmp_path, wakeups) as suite:
        yield suite


async def everything(url: str) -> bytes:
    """All keys and values of Redis."""
    async with redis.asyncio.Redis.from_url(url) as client:
        keys = [key async for key in client.scan_iter("*")]
        values = [await client.dump(key) for key in keys]
    return b"\n".join([*keys, *(each or b"" for each in values)])


async def test_redis_holds_no_word_and_nothing_that_counts(
    people: People, provider: Server, redis_url: str
) -> None:
    async def is_known() -> bool:
        """A search that does not ask the provider; Redis may have been too slow to keep it."""
        asked = len(provider.requests)
        request = memory_pb2.SearchMemoriesRequest(query=f"What of {CANARY}?")
        request.strategy = memory_pb2.SEARCH_STRATEGY_SEMANTIC
        await people.suite.memory.SearchMemories(request, metadata=people.admin)
        return len(provider.requests) == asked

    await people.fill()
    await eventually(is_known)
    held = await everything(redis_url)
    assert b"aeterna:embedding:acme" in held
    for needle in (ANN, *IDENTIFIERS, MAIL):
        assert needle.encode() not in held

    await people.erase("delete")

    assert not await is_known()  # what lay there does not count any more
    assert not [
        each for each in (ANN, *IDENTIFIERS) if each.encode() in await everything(redis_url)
    ]
