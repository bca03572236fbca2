"""Operations while the server is killed: they go on, and end as if nothing had been.

AETERNA_CRASHES sets how often it is killed; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from aeterna.common.v1 import operation_pb2
from aeterna.memory.v1 import maintenance_pb2, maintenance_pb2_grpc, memory_pb2, memory_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_TENANT, _FRESH = TenantId("crash"), TenantId("fresh")
_WORDS = ("fox", "dog", "cat", "river", "bridge", "invoice", "deploy", "database", "garden")
_TEXTS = 3_000
_MOST_BETWEEN = 500  # memories between two kills
_INDEXES = ("document", "posting", "lexicon", "vector_256")
# As if each had been confirmed on a day of its own in a number of years.
_AGE = """
    UPDATE aeterna.memory SET updated_at = updated_at - a.days * interval '1 day',
        confirmed_at = updated_at - a.days * interval '1 day'
    FROM (SELECT id, row_number() OVER () AS days FROM aeterna.memory WHERE tenant_id = $1) AS a
    WHERE memory.tenant_id = $1 AND memory.id = a.id
"""
_TIERS = "SELECT tier, count(*) FROM aeterna.memory WHERE tenant_id = $1 GROUP BY tier"
_INDEXED = (
    "SELECT count(*) FROM aeterna.vector_256 WHERE tenant_id = $1",
    "SELECT count(*) FROM aeterna.document WHERE tenant_id = $1",
)


async def test_a_killed_reindexing_goes_on_and_ends_well(folder: Path) -> None:
    async with running(folder) as server:
        contents = [f"{' '.join(random.choices(_WORDS, k=4))} n{n}" for n in range(_TEXTS)]
        for tenant in (_TENANT, _FRESH):
            await server.create_tenant(tenant)
            await _add(server, tenant, contents)
        await _forget_indexes(folder)
        await _killed_on_the_way(server, await _begin(server, "ReindexMemories"))

        for word in _WORDS:
            assert await _scores(server, _TENANT, word) == await _scores(server, _FRESH, word)
        assert await server.stop() == 0


async def test_a_killed_optimising_leaves_every_memory_in_its_tier(folder: Path) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        contents = [f"{random.choice(_WORDS)} n{n}" for n in range(_TEXTS)]
        await _add(server, _TENANT, contents)
        async with _superuser(folder) as superuser:
            await superuser.execute(_AGE, _TENANT)
        await _killed_on_the_way(server, await _begin(server, "OptimizeMemories"))

        async with _superuser(folder) as superuser:
            tiers: dict[str, int] = dict(await superuser.fetch(_TIERS, _TENANT))  # type: ignore[arg-type]
            indexed = [await superuser.fetchval(each, _TENANT) for each in _INDEXED]
        assert set(tiers) == {"hot", "warm", "archived"}
        assert indexed == [tiers["hot"], tiers["hot"] + tiers["warm"]]
        assert sum(tiers.values()) == _TEXTS
        assert await server.stop() == 0


async def _killed_on_the_way(server: Server, name: str) -> None:
    """Sees the operation to its good end."""
    seen: list[operation_pb2.OperationMetadata] = []
    for kill in range(_KILLS):
        before = seen[-1].done if seen else 0
        seen.append(await _beyond(server, name, before + random.randrange(_MOST_BETWEEN)))
        await server.kill(database_too=kill % 2 == 0)
        await server.start()
    ended = await _beyond(server, name, _TEXTS + 1)
    print(f"killed at {[each.done for each in seen]} of {ended.total}")
    assert ended.state == operation_pb2.OPERATION_STATE_SUCCEEDED
    assert (ended.done, ended.total) == (_TEXTS, _TEXTS)


async def _add(server: Server, tenant: TenantId, contents: list[str]) -> None:
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        metadata = await server.token(tenant, Role.TENANT_ADMIN)
        for start in range(0, len(contents), 100):
            memories = [
                memory_pb2.Memory(content=each, layer=memory_pb2.LAYER_COMPANY)
                for each in contents[start : start + 100]
            ]
            requests = [memory_pb2.CreateMemoryRequest(memory=each) for each in memories]
            request = memory_pb2.BatchCreateMemoriesRequest(requests=requests)
            await stub.BatchCreateMemories(request, metadata=metadata)


async def _forget_indexes(folder: Path) -> None:
    """As if the memories had been stored before there were such indexes."""
    async with _superuser(folder) as superuser:
        for table in _INDEXES:
            await superuser.execute(f"DELETE FROM aeterna.{table} WHERE tenant_id = $1", _TENANT)


@asynccontextmanager
async def _superuser(folder: Path) -> AsyncIterator[asyncpg.Connection]:
    dsn = f"postgresql:///aeterna?host={folder}/postgres/socket&port=5432"
    superuser = await asyncpg.connect(dsn, user="postgres")
    try:
        yield superuser
    finally:
        await superuser.close()


async def _begin(server: Server, method: str) -> str:
    async with server.channel(0) as channel:
        stub = maintenance_pb2_grpc.MemoryMaintenanceServiceStub(channel)
        request = getattr(maintenance_pb2, f"{method}Request")()
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        begun: Any = await getattr(stub, method)(request, metadata=metadata)
        return str(begun.name)


async def _beyond(server: Server, name: str, done: int) -> operation_pb2.OperationMetadata:
    """How far it is once it has done more than so much, or has ended."""
    request = operations_pb2.GetOperationRequest(name=name)
    async with server.channel(0) as channel, asyncio.timeout(2 * START_SECONDS):
        stub: Any = operations_pb2_grpc.OperationsStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        while True:
            try:
                operation = await stub.GetOperation(request, metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                progress = operation_pb2.OperationMetadata()
                operation.metadata.Unpack(progress)
                if progress.done > done or operation.done:
                    return progress
            await asyncio.sleep(0.01)


async def _scores(server: Server, tenant: TenantId, word: str) -> dict[str, float]:
    request = memory_pb2.SearchMemoriesRequest(
        query=word, limit=100, strategy=memory_pb2.SEARCH_STRATEGY_LEXICAL
    )
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        metadata = await server.token(tenant, Role.TENANT_ADMIN)
        answer = await stub.SearchMemories(request, metadata=metadata)
        return {each.memory.content: round(each.score, 9) for each in answer.results}
