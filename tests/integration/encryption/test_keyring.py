"""The key ring on a real database: processes that share it, and what the tables give away."""

import asyncio
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from libs.encryption import KeyDestroyed, Keyring, Plain, Sealed
from libs.encryption.envelope import key_id_of
from libs.encryption.kms_local import LocalKms
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.store import PostgresKeyStore
from libs.tenancy import Route

USES_LIMIT = 8


@pytest.fixture
async def processes(tmp_path: Path, route: Route) -> list[Keyring]:
    kms, store = LocalKms.open(tmp_path / "keyring.json"), PostgresKeyStore()
    rings = [Keyring(kms, store, uses_block=4, uses_limit=USES_LIMIT) for _ in range(3)]
    await asyncio.gather(*(ring.create_tenant_key(route) for ring in rings))
    return rings


def make_plain(subject: str = "ada") -> Plain:
    return Plain(subject, MEMORY_CONTENT, uuid4(), b"likes tea")


async def test_processes_share_keys_and_keep_their_limit(
    processes: list[Keyring], route: Route
) -> None:
    batches = [[make_plain(), make_plain("bob"), make_plain()] for _ in range(30)]
    sealed = await asyncio.gather(
        *(processes[n % 3].seal(route, batch) for n, batch in enumerate(batches))
    )
    read = [
        Sealed(plain.field, plain.row_id, blob)
        for batch, blobs in zip(batches, sealed, strict=True)
        for plain, blob in zip(batch, blobs, strict=True)
    ]

    assert max(Counter(key_id_of(item.blob) for item in read).values()) <= USES_LIMIT
    for process in processes:
        assert await process.open(route, read) == [b"likes tea"] * len(read)


async def test_a_mac_is_the_same_in_every_process(processes: list[Keyring], route: Route) -> None:
    macs = await asyncio.gather(*(process.mac(route, "terms", b"tea") for process in processes))

    assert len(set(macs)) == 1


async def test_an_erased_subject_is_gone_for_processes_that_start_later(
    processes: list[Keyring], route: Route
) -> None:
    plain = make_plain()
    (blob,) = await processes[0].seal(route, [plain])
    await processes[0].destroy_subject(route, plain.subject)

    for process in processes:
        with pytest.raises(KeyDestroyed):
            await process.open(route, [Sealed(plain.field, plain.row_id, blob)])
