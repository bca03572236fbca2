"""How much of the raw ciphers' speed is left of sealing, opening and rewrapping, on one core.

Fields of 1 KiB: the peer is `AESGCM.encrypt` with a fresh `os.urandom(12)` nonce and AAD of the
same length as ours. Keys are cached, as they are in a running service. Keys of subjects: the peer
is unwrapping and wrapping 32 bytes after RFC 3394. To re-encrypt a field is to open and to seal it.
"""

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

from bench.measure import Sample, Spread, alternate
from bench.report import Report, Row, Section
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.kms_local import LocalKms
from libs.encryption.primitives import unwrap_key, wrap_key
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
        kms = LocalKms.open(Path(folder) / "keyring.json")
        works = _raw(fields) | await _ours(kms, fields)
        wraps = {"raw rewrap": _raw_rewrap(fields), "rewrap": await _rewrap(kms, fields)}
    micros = await _micros(works, fields, rounds)
    wrapping = await _micros(wraps, fields, rounds)
    facts = [f"{fields:,} fields of {FIELD_BYTES} bytes a round, {rounds} rounds; 1x: as fast."]
    sections = [
        Section("1 KiB fields", _rows(micros, ">= 0.75x")),
        Section("Keys of subjects under a new tenant key", _rows(wrapping, "<= 20 µs")),
    ]
    return Report("encryption", "Encryption", sections, facts, summary=_summary(micros | wrapping))


async def _micros(works: dict[str, Work], units: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds a unit, of each round."""
    samples = await alternate({name: _timed(work) for name, work in works.items()}, rounds)
    return {name: [each.seconds / units * 1e6 for each in s] for name, s in samples.items()}


def _summary(micros: dict[str, list[float]]) -> dict[str, float]:
    """How many in a second, the median of rounds."""
    names = {
        "seals_per_second": f"seal {BATCHES[-1]}",
        "raw_seals_per_second": "raw seal",
        "opens_per_second": f"open {BATCHES[-1]}",
        "raw_opens_per_second": "raw open",
        "rewraps_per_second": "rewrap",
        "raw_rewraps_per_second": "raw rewrap",
    }
    return {name: round(1e6 / median(micros[each])) for name, each in names.items()}


def _rows(micros: dict[str, list[float]], goal: str) -> list[Row]:
    return [
        {
            "what": name,
            "µs each": Spread.of(taken),
            "raw µs each": Spread.of(raw := micros[f"raw {name.split()[0]}"]),
            "raw / ours": Spread.ratio(raw, taken),
            "goal": goal,
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


def _raw_rewrap(keys: int) -> Work:
    old, new = os.urandom(32), os.urandom(32)
    wrapped = wrap_key(old, os.urandom(32))

    async def work() -> None:
        for _ in range(keys):
            wrap_key(new, unwrap_key(old, wrapped))

    return work


async def _rewrap(kms: LocalKms, keys: int) -> Work:
    store = MemoryKeyStore()
    keyring = Keyring(kms, store)
    route = Route(TenantId("bench"), ShardId("bench"), 1, cast(asyncpg.Pool, None))
    await keyring.create_tenant_key(route)
    old = await keyring.hierarchy.new_subject_key(route, "user", 1)
    await store.add_tenant_key(route, await keyring.hierarchy.new_tenant_key(route, 2))
    keyring.invalidate(route.tenant)

    async def work() -> None:
        for _ in range(keys):
            await keyring.hierarchy.rewrapped(route, old)

    return work


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
