"""How much of raw AES-256-GCM's speed is left of sealing and opening fields of 1 KiB on one core.

The peer is `AESGCM.encrypt` with a fresh `os.urandom(12)` nonce and AAD of the same length as ours.
Keys are cached, as they are in a running service. Ratios above 1 are faster than the peer.
"""

import asyncio
import gc
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import TypeVar, cast
from uuid import uuid4

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.kms_local import LocalKms
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route, ShardId, TenantId

FIELD_BYTES = 1024
AAD_BYTES = 58  # as long as our own for tenant "bench" and memory.content
ROUNDS = 15
FIELDS_PER_ROUND = 16_384
BATCHES = (1, 16)

T = TypeVar("T")
Work = Callable[[], Awaitable[None]]  # one round


def run() -> dict[str, float]:
    """Median microseconds per field (`*_us`) and ratios of speed to the peer (`*_ratio`)."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(LocalKms.open(Path(folder) / "keyring.json")))


async def _measure(kms: LocalKms) -> dict[str, float]:
    works = _raw() | await _ours(kms)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):  # alternated, so that a slow moment of the machine hits all
        for name, work in works.items():
            taken[name].append(await _timed(work))
    figures = {f"{name}_us": median(times) for name, times in taken.items()}
    for name in works:
        peer = taken[f"raw_{name.split('_')[0]}"] if not name.startswith("raw") else None
        if peer:
            ratios = [theirs / ours for theirs, ours in zip(peer, taken[name], strict=True)]
            figures[f"{name}_ratio"] = median(ratios)
    return figures


async def _timed(work: Work) -> float:
    gc.collect()
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) / FIELDS_PER_ROUND * 1e6


def _raw() -> dict[str, Work]:
    cipher, data, aad = AESGCM(os.urandom(32)), os.urandom(FIELD_BYTES), os.urandom(AAD_BYTES)
    nonce = os.urandom(12)
    sealed = cipher.encrypt(nonce, data, aad)

    async def encrypt() -> None:
        for _ in range(FIELDS_PER_ROUND):
            cipher.encrypt(os.urandom(12), data, aad)

    async def decrypt() -> None:
        for _ in range(FIELDS_PER_ROUND):
            cipher.decrypt(nonce, sealed, aad)

    return {"raw_seal": encrypt, "raw_open": decrypt}


async def _ours(kms: LocalKms) -> dict[str, Work]:
    keyring = Keyring(kms, MemoryKeyStore())
    route = Route(TenantId("bench"), ShardId("bench"), 1, cast(asyncpg.Pool, None))
    await keyring.create_tenant_key(route)
    data = os.urandom(FIELD_BYTES)
    plains = [Plain(f"user-{n % 4}", MEMORY_CONTENT, uuid4(), data) for n in range(max(BATCHES))]
    blobs = await keyring.seal(route, plains)
    sealed = [Sealed(p.field, p.row_id, blob) for p, blob in zip(plains, blobs, strict=True)]
    works: dict[str, Work] = {}
    for batch in BATCHES:
        works[f"seal_{batch}"] = _repeat(keyring.seal, route, plains[:batch])
        works[f"open_{batch}"] = _repeat(keyring.open, route, sealed[:batch])
    return works


def _repeat(
    call: Callable[[Route, list[T]], Awaitable[list[bytes]]], route: Route, items: list[T]
) -> Work:
    async def work() -> None:
        for _ in range(FIELDS_PER_ROUND // len(items)):
            await call(route, items)

    return work


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
