"""A suite whose services pay for what they embed."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import Database
from tests.fakes.embeddings_server import Server, embeddings_server
from tests.integration.costs.support import DIMENSIONS, MODEL, Spender
from tests.suite import Suite, open_suite


def scattered(text: str) -> list[float]:
    """A vector of the text's own."""
    return random.Random(text).choices((-1.0, 1.0), k=DIMENSIONS)


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    async with embeddings_server() as server:
        server.vector = scattered
        yield server


@pytest.fixture
async def paying(
    provider: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    """A token of the model costs a millionth of a dollar; a word is a token."""
    values = {"PROVIDER": "openai", "BASE_URL": provider.url, "MODEL": MODEL}
    for name, value in {**values, "DIMENSIONS": str(DIMENSIONS)}.items():
        for service in ("MEMORY", "KNOWLEDGE"):
            monkeypatch.setenv(f"{service}_EMBEDDING__{name}", value)
    monkeypatch.setenv("GOVERNANCE_ROLLUP", "PT0.2S")
    async with open_suite(database, tmp_path) as suite:
        yield suite


@pytest.fixture
async def acme(paying: Suite) -> Spender:
    return Spender(paying, await paying.create_tenant("acme"))
