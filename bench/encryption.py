"""How much of raw AES-256-GCM's speed is left of sealing and opening fields of 1 KiB on one core.

The peer is `AESGCM.encrypt` with a fresh `os.urandom(12)` nonce and AAD of the same length as ours.
Keys are cached, as they are in a running service.
"""

import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast
from uuid import uuid4

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measure import Sample, Spread, alternate
from bench.report import Report, Row, Section
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.kms_local import LocalKms
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route, ShardId, TenantId

FIELD_BYTES = 1024
AAD_BYTES = 58  # as long as our own for tenant "bench" and memory.content
BATCHES = (1, 16)

T = TypeVar("T")
Work = Callable[[], Awaitable[None]]  # one round


async def run(*, quick: bool) -> Report:
    """Fields one by one and in batches, each against the raw cipher."""
    rounds, fields = (2, 256) if quick else (15, 16_384)
    with tempfile.TemporaryDirectory() as folder:
        works = _raw(fields) | await _ours(LocalKms.open(Path(folder) / "keyring.json"), fields)
    samples = await alternate({name: _timed(work) for name, work in works.items()}, rounds)
    micros = {name: [each.seconds / fields * 1e6 for each in s] for name, s in samples.items()}
    facts = [f"{fields:,} fields of {FIELD_BYTES} bytes a round, {rounds} rounds; 1x: as fast."]
    return Report("encryption", "Encryption", [Section("1 KiB fields", _rows(micros))], facts)


def _rows(micros: dict[str, list[float]]) -> list[Row]:
    return [
        {
            "what": name,
            "µs/field": Spread.of(taken),
            "raw µs/field": Spread.of(raw := micros[f"raw {name.split()[0]}"]),
            "raw / ours": Spread.ratio(raw, taken),
            "goal": ">= 0.75x",
        }
        for name, taken in micros.items()
        if not name.startswith("raw")
    ]


def _timed(work: Work) -> Callable[[int], Awaitable[Sample]]:
    async def side(_: int) -> Sample:
        begun = time.perf_counter()
        await work()
        return Sample(time.perf_counter() - begun, [])

    return side


def _raw(fields: int) -> dict[str, Work]:
    cipher, data, aad = AESGCM(os.urandom(32)), os.urandom(FIELD_BYTES), os.urandom(AAD_BYTES)
    nonce = os.urandom(12)
    sealed = cipher.encrypt(nonce, data, aad)

    async def encrypt() -> None:
        for _ in range(fields):
            cipher.encrypt(os.urandom(12), data, aad)

    async def decrypt() -> None:
        for _ in range(fields):
            cipher.decrypt(nonce, sealed, aad)

    return {"raw seal": encrypt, "raw open": decrypt}


async def _ours(kms: LocalKms, fields: int) -> dict[str, Work]:
    keyring = Keyring(kms, MemoryKeyStore())
    route = Route(TenantId("bench"), ShardId("bench"), 1, cast(asyncpg.Pool, None))
    await keyring.create_tenant_key(route)
    data = os.urandom(FIELD_BYTES)
    plains = [Plain(f"user-{n % 4}", MEMORY_CONTENT, uuid4(), data) for n in range(max(BATCHES))]
    blobs = await keyring.seal(route, plains)
    sealed = [Sealed(p.field, p.row_id, blob) for p, blob in zip(plains, blobs, strict=True)]
    works: dict[str, Work] = {}
    for batch in BATCHES:
        works[f"seal {batch}"] = _repeat(keyring.seal, route, plains[:batch], fields)
        works[f"open {batch}"] = _repeat(keyring.open, route, sealed[:batch], fields)
    return works


def _repeat(
    call: Callable[[Route, list[T]], Awaitable[list[bytes]]],
    route: Route,
    items: list[T],
    fields: int,
) -> Work:
    async def work() -> None:
        for _ in range(fields // len(items)):
            await call(route, items)

    return work
