"""Knowledge whose vector index loses its data."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.integration.knowledge.client import Client
from tests.suite import Suite, open_suite


@pytest.fixture
async def suite(
    database: Database, tmp_path: Path, qdrant_server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    monkeypatch.setenv("KNOWLEDGE_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("KNOWLEDGE_INDEX__URL", qdrant_server.url)
    async with open_suite(database, tmp_path) as suite:
        yield suite


async def test_what_is_lost_is_told_and_written_again(
    client: Client, qdrant_server: QdrantServer
) -> None:
    await client.in_force("Cats", "No cats in the office.")
    await client.in_force("Dogs", "Dogs are welcome.")

    qdrant_server.lose()

    with fails_with("INDEX_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
        await client.search("cats")

    async def is_found() -> bool:
        try:
            return len(await client.search("cats")) == 2
        except grpc.RpcError:
            return False

    await eventually(is_found)
