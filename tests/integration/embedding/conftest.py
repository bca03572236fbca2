"""A provider, and keys to know texts by."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.encryption import Keyring
from libs.encryption.kms_local import LocalKms
from libs.encryption.store import PostgresKeyStore
from libs.tenancy import Route
from tests.fakes.embeddings_server import Server, embeddings_server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with embeddings_server() as server:
        yield server


@pytest.fixture
async def keyring(tmp_path: Path, route: Route) -> Keyring:
    ring = Keyring(LocalKms.open(tmp_path / "keyring.json"), PostgresKeyStore())
    await ring.create_tenant_key(route)
    await ring.mac(route, "any", b"")  # its secret is made by the first
    return ring
