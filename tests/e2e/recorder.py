"""Runs in a pod: writes integers until told to stop, reads them back, and says what became of them.

A set test as Jepsen has it. Every integer is written again until it is acknowledged, under one
identity, so that a repeat is no second one. `python3 -c ... STORE WRITERS PAUSE ADDRESS...`; it
says when it begins, ends with SIGTERM, and then prints one JSON object.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from urllib.parse import quote
from uuid import UUID, uuid5

import asyncpg
import grpc
from pydantic import SecretStr

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import tenants_pb2, tenants_pb2_grpc
from aeterna.memory.v1 import memory_pb2, memory_pb2_grpc
from aeterna.sync.v1 import sync_pb2_grpc
from libs.clients import open_channel
from libs.clients.subscription import Subscription
from libs.postgres.hosts import connect_writable
from libs.redis import RedisSettings, open_redis

_CALL_SECONDS = 5  # then a write is given up and made again
_ANSWER_SECONDS = 1  # of Redis
_PATIENCE = 90  # seconds for the stores to be there
_NEXT_TRY = 0.1
_NAMESPACE = UUID("8f7fa4b6-0f54-4b0e-8a0c-6c3f6f3f4d55")
_TABLE = """
    CREATE TABLE IF NOT EXISTS recorded (n bigint PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
# A repeat writes too: only then does its commit wait for the standby that the first one may lack.
_INSERT = """
    INSERT INTO recorded (n) VALUES ($1) ON CONFLICT (n) DO UPDATE SET n = excluded.n
    RETURNING substring(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
"""


T = TypeVar("T")


class Row(NamedTuple):
    n: int
    at: float  # seconds of the server's clock


class Store(Protocol):
    async def open(self) -> None:
        """Before the first write; safe to repeat."""

    async def write(self, n: int) -> str:
        """Once it returns, `n` is there for ever; the era of the server that said so."""

    async def read(self) -> list[Row]: ...


class Sql:
    """A table; each write goes to whichever host takes writes."""

    def __init__(self, hosts: list[str]) -> None:
        password = quote(os.environ["PASSWORD"])
        self._dsn = f"postgresql://aeterna_owner:{password}@{','.join(hosts)}/aeterna"
        self._idle: list[asyncpg.Connection] = []

    async def open(self) -> None:
        async with self._connection() as connection:
            await connection.execute(_TABLE)
            await connection.execute("TRUNCATE recorded")

    async def write(self, n: int) -> str:
        async with asyncio.timeout(_CALL_SECONDS), self._connection() as connection:
            return str(await connection.fetchval(_INSERT, n))

    async def read(self) -> list[Row]:
        async with self._connection() as connection:
            rows = await connection.fetch("SELECT n, extract(epoch FROM at)::float FROM recorded")
        return [Row(*row) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        connection = self._idle.pop() if self._idle else await connect_writable(self._dsn)
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)


class Memories:
    """The memory service, in a tenant of this run's own; the sync service tells of every write."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._tenant = f"{os.environ['HOSTNAME']}-{time.time_ns()}"
        self._seen = 0
        self._channels = AsyncExitStack()  # open until the process ends

    async def open(self) -> None:
        memory, sync, governance = self._addresses
        tenants = tenants_pb2_grpc.TenantServiceStub(await self._channel(governance))
        request = tenants_pb2.CreateTenantRequest(
            tenant_id=self._tenant, request_id=str(uuid5(_NAMESPACE, self._tenant))
        )
        await tenants.CreateTenant(request)
        self._stub: Any = memory_pb2_grpc.MemoryServiceStub(
            await self._channel(memory, self._tenant)
        )
        changes = sync_pb2_grpc.SyncServiceStub(await self._channel(sync, self._tenant))
        self._following = asyncio.create_task(self._follow(Subscription(changes, 0, ["memories"])))

    async def _channel(self, address: str, tenant: str = "") -> grpc.aio.Channel:
        token = Path("/run/token/token").read_text
        return await self._channels.enter_async_context(open_channel(address, token, tenant=tenant))

    async def _follow(self, subscription: Subscription) -> None:
        """Raises ChangesOutOfOrder when one comes twice or not at all."""
        async for _ in subscription:
            self._seen += 1

    async def write(self, n: int) -> str:
        memory = memory_pb2.Memory(
            layer=memory_pb2.LAYER_USER,
            scope=scope_pb2.Scope(user_id="recorder"),
            content=f"number {n}",
        )
        request = memory_pb2.CreateMemoryRequest(
            memory=memory, request_id=str(uuid5(_NAMESPACE, f"{self._tenant} {n}"))
        )
        await self._stub.CreateMemory(request, timeout=_CALL_SECONDS)
        return ""

    async def read(self) -> list[Row]:
        rows, request = [], memory_pb2.ListMemoriesRequest(page_size=1000)
        while True:
            page = await self._stub.ListMemories(request, timeout=_CALL_SECONDS)
            rows += [_row(memory) for memory in page.memories]
            request.page_token = page.next_page_token
            if not request.page_token:
                await self._see(len(rows))
                return rows

    async def _see(self, count: int) -> None:
        """Until the subscription has told of so many."""
        while self._seen < count and not self._following.done():
            await asyncio.wait([self._following], timeout=0.1)
        if self._following.done():
            await self._following


def _row(memory: memory_pb2.Memory) -> Row:
    return Row(int(memory.content.split()[1]), memory.create_time.ToNanoseconds() / 1e9)


class Keys:
    """Redis, by the master that its Sentinels name; as services reach it."""

    def __init__(self, sentinels: list[str]) -> None:
        password = SecretStr(os.environ["PASSWORD"])
        self._settings = RedisSettings(sentinels=",".join(sentinels), password=password)
        self._client = AsyncExitStack()  # open until the process ends

    async def open(self) -> None:
        opening = open_redis(self._settings, _ANSWER_SECONDS)
        self._redis = await self._client.enter_async_context(opening)
        await self._redis.delete("recorded")

    async def write(self, n: int) -> str:
        await self._redis.hset("recorded", str(n), str(time.time()))
        return ""

    async def read(self) -> list[Row]:
        rows = await cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall("recorded"))
        return [Row(int(n), float(at)) for n, at in rows.items()]


STORES: dict[str, Callable[[list[str]], Store]] = {"sql": Sql, "memories": Memories, "keys": Keys}


class Recorder:
    """What the writers did."""

    def __init__(self, store: Store, pause: float) -> None:
        self._store, self._pause = store, pause
        self._numbers = itertools.count()
        self.stop = asyncio.Event()
        self.acknowledged: dict[int, float] = {}  # when
        self.attempted: set[int] = set()
        self.failures: Counter[str] = Counter()  # calls that failed, by what they said
        self.stale = 0  # acknowledged by an earlier era than one that had acknowledged before
        self._era = ""
        self.slowest = 0.0  # seconds of one call that succeeded

    async def write(self) -> None:
        """One of the writers."""
        while not self.stop.is_set():
            number = next(self._numbers)
            self.attempted.add(number)
            while not await self._acknowledged(number) and not self.stop.is_set():
                await self._rest(_NEXT_TRY)
            await self._rest(self._pause)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    async def _acknowledged(self, number: int) -> bool:
        began, era_before = time.monotonic(), self._era
        try:
            era = await self._store.write(number)
        except Exception as error:
            code = (
                error.code().name
                if isinstance(error, grpc.aio.AioRpcError)
                else type(error).__name__
            )
            self.failures[code] += 1
            return False
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.acknowledged[number] = time.time()
        self.stale += era < era_before
        self._era = max(era, self._era)
        return True

    def report(self, rows: list[Row], stopped: float) -> dict[str, Any]:
        """Times in seconds; `gap` is the longest time between two rows, by the server's clock.

        Writes that never came back are a gap, too: until it was stopped.
        """
        found = Counter(row.n for row in rows)
        lost = sorted(self.acknowledged.keys() - found.keys())
        return {
            "acknowledged": len(self.acknowledged),
            "lost": lost,
            "lost_seconds": _span([self.acknowledged[n] for n in lost]),
            "unexpected": sorted(found.keys() - self.attempted),
            "doubled": sorted(n for n, times in found.items() if times > 1),
            "stale": self.stale,
            "failures": self.failures,
            "slowest": self.slowest,
            "gap": _longest_gap([*(row.at for row in rows), stopped]),
            "acknowledgement_gap": _longest_gap([*self.acknowledged.values(), stopped]),
        }


def _span(times: list[float]) -> float:
    return max(times) - min(times) if times else 0


def _longest_gap(times: list[float]) -> float:
    return max((later - earlier for earlier, later in itertools.pairwise(sorted(times))), default=0)


async def main(kind: str, writers: int, pause: float, addresses: list[str]) -> None:
    store = STORES[kind](addresses)
    await _until_done(store.open)
    recorder = Recorder(store, pause)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, recorder.stop.set)
    print("writing", flush=True)
    async with asyncio.TaskGroup() as group:
        for _ in range(writers):
            group.create_task(recorder.write())
        await recorder.stop.wait()
        stopped = time.time()
    print(json.dumps(recorder.report(await _until_done(store.read), stopped)))


async def _until_done(step: Callable[[], Awaitable[T]]) -> T:
    """Tries until the stores are there; raises what the last attempt did."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return await step()
        except Exception:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
