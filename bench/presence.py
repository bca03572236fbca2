"""Presence: joins a second, what a count costs in rooms of any size, what a member takes.

Beside it, in the same Redis and the same run, a room as a plain hash of connections, which is
counted by reading it.
"""

import asyncio
import gc
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import redis.asyncio
from pydantic import SecretStr

from bench.measure import Sample, chunks, drive
from bench.report import Report, Row, Section
from libs.redis import RedisSettings, open_redis
from libs.tenancy import TenantId
from services.sync.presence.domain.members import Member, Room
from services.sync.presence.domain.telling import Update
from services.sync.presence.operations import Pace, Presences
from services.sync.presence.ports import Store
from services.sync.presence.store.memory import Hall, MemoryStore
from services.sync.presence.store.redis import RedisStore
from tests.servers import redis_server

_TENANT = TenantId("acme")
_ANSWER_SECONDS = 60.0
_LEASE = 600.0  # seconds: nobody renews it between the measurements
_PAGE, _BATCH = 50, 200
_AT_ONCE = 1000  # that enter at the same time
_MEMORY, _REDIS, _HASH = "in process", "redis", "a hash, counted by HGETALL"


@dataclass(frozen=True)
class Found:
    """Of one room in one store; memory is in bytes a member, 0 where the store has none."""

    store: str
    size: int
    joins: float  # a second
    counting: Sample
    listing: Sample | None = None
    process: float = 0.0
    redis: float = 0.0


async def run(*, quick: bool) -> Report:
    """Rooms of growing sizes in each store, and the naive count."""
    sizes = (100, 2_000) if quick else (100, 1_000, 10_000, 100_000)
    calls = 200 if quick else 1_000
    found = []
    with redis_server() as url:
        settings = RedisSettings(redis_url=SecretStr(url))
        async with open_redis(settings, _ANSWER_SECONDS) as client:
            for size in sizes:
                found.append(await _measured(_MEMORY, size, calls, client))
                found.append(await _measured(_REDIS, size, calls, client))
                found.append(await _naive(size, max(5, min(calls, 10**6 // size)), client))
    return _report(found)


async def _measured(name: str, size: int, calls: int, client: redis.asyncio.Redis) -> Found:
    room = Room(_TENANT, f"documents/{size}")
    process = await _process_bytes(name, size, room, client)
    async with _replica(name, client) as (store, presences):
        before = await _used(client)
        joins = size / await _join(presences, room, _crowd(size))
        assert (await store.counts(room)).connections == size
        taken = await _used(client) - before if name == _REDIS else 0
        counting = await drive(lambda _: store.counts(room), range(calls))
        middle = f"{size // 2:08}"
        listing = await drive(lambda _: store.page(room, middle, _PAGE), range(calls))
    return Found(name, size, joins, counting, listing, process / size, taken / size)


async def _process_bytes(name: str, size: int, room: Room, client: redis.asyncio.Redis) -> int:
    """What a room takes in the replica: in a run of its own, since counting it slows it down."""
    async with _replica(name, client) as (_, presences):
        await _join(presences, Room(_TENANT, "warm"), _crowd(10))
        gc.collect()
        tracemalloc.start()
        await _join(presences, room, _crowd(size))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return taken


async def _naive(size: int, calls: int, client: redis.asyncio.Redis) -> Found:
    """One field for each connection, as many designs have it."""
    await client.flushdb()
    before, begun = await _used(client), time.perf_counter()
    for part in chunks(_crowd(size), _BATCH):
        fields: dict[Any, Any] = {
            each.connection: json.dumps([each.user, each.joined, 1]) for each in part
        }
        await client.hset("room", mapping=fields)
    joins, taken = size / (time.perf_counter() - begun), await _used(client) - before

    async def count(_: int) -> int:
        return len(await client.hgetall("room"))

    assert await count(0) == size
    return Found(_HASH, size, joins, await drive(count, range(calls)), redis=taken / size)


@asynccontextmanager
async def _replica(
    name: str, client: redis.asyncio.Redis
) -> AsyncIterator[tuple[Store, Presences]]:
    """One with an empty store."""
    await client.flushdb()
    store: Store
    if name == _REDIS:
        store = RedisStore(client, uuid4().hex, _LEASE)
    else:
        store = MemoryStore(Hall(_LEASE), uuid4().hex)
    presences = Presences(store, _nobody_hears, Pace())
    await presences.round()
    yield store, presences


def _nobody_hears(room: Room, update: Update) -> None:
    """What is told is the hub's to send."""


async def _join(presences: Presences, room: Room, crowd: Sequence[Member]) -> float:
    """All of them enter, many at once; seconds until each is in the store and was answered."""
    begun = time.perf_counter()
    for part in chunks(crowd, _AT_ONCE):
        entering = [asyncio.ensure_future(presences.enter(room, each)) for each in part]
        await asyncio.sleep(0)
        await presences.round()
        await asyncio.gather(*entering)
    return time.perf_counter() - begun


def _crowd(size: int) -> list[Member]:
    """Every third person has two devices."""
    people = max(1, size * 3 // 4)
    return [
        Member(f"{number:08}-{uuid4().hex}", f"user-{number % people:06}", "", "laptop", 1)
        for number in range(size)
    ]


async def _used(client: redis.asyncio.Redis) -> int:
    """Bytes that Redis has taken."""
    info = await client.info("memory")
    return int(info["used_memory"])


def _report(found: Sequence[Found]) -> Report:
    largest = {each.store: each for each in found}
    smallest = {each.store: each for each in reversed(found)}
    big, small = largest[_REDIS], smallest[_REDIS]
    growth = {name: _growth(smallest[name], largest[name]) for name in largest}
    naive = largest[_HASH].counting.quantile(0.5) / big.counting.quantile(0.5)
    return Report(
        name="presence",
        title="Presence",
        sections=[Section("Rooms", [_row(each) for each in found])],
        facts=[
            f"A count in a room of {big.size:,} takes {growth[_REDIS]:.2f} times that of"
            f" {small.size:,} in Redis (in process {growth[_MEMORY]:.2f}, as a hash"
            f" {growth[_HASH]:.0f}): it reads sizes, not members. Medians.",
            f"In the largest room the hash takes {naive:,.0f} times as long to count.",
            "Joins are of one replica, a thousand at once, until each is in the store and was told"
            " who is there, without what the transport costs; the hash takes 200 fields a command"
            " and answers nobody.",
            "Memory in the process is what a member takes in a replica that has the connection,"
            " without the connection itself; in process that is the store as well.",
        ],
        summary={
            "joins_per_second": big.joins,
            "joins_per_second_in_process": largest[_MEMORY].joins,
            "count_ms_largest": big.counting.quantile(0.5),
            "count_ms_smallest": small.counting.quantile(0.5),
            "count_growth": growth[_REDIS],
            "naive_count_ms_largest": largest[_HASH].counting.quantile(0.5),
            "naive_count_growth": growth[_HASH],
            "redis_bytes_per_member": big.redis,
            "process_bytes_per_member": big.process,
        },
    )


def _growth(small: Found, large: Found) -> float:
    return large.counting.quantile(0.5) / small.counting.quantile(0.5)


def _row(found: Found) -> Row:
    return {
        "room": f"{found.size:,}",
        "store": found.store,
        "joins a second": f"{found.joins:,.0f}",
        "count p50, ms": f"{found.counting.quantile(0.5):.3f}",
        "count p99, ms": f"{found.counting.quantile(0.99):.3f}",
        "page of 50 p50, ms": f"{found.listing.quantile(0.5):.3f}" if found.listing else "",
        "bytes a member, process": f"{found.process:,.0f}" if found.process else "",
        "bytes a member, Redis": f"{found.redis:,.0f}" if found.redis else "",
    }
