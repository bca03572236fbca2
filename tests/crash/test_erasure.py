"""A person is erased while the server is killed at every step: it is completed, nothing is left.

Each kill comes when the work of a step is done and just being written down: the worst moment.
"""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from aeterna.governance.v1 import erasure_pb2, erasure_pb2_grpc
from aeterna.memory.v1 import memory_pb2, memory_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from services.governance.erasure.saga import STEPS
from tests.crash.server import START_SECONDS, Server, running
from tests.eventually import eventually

_TENANT = TenantId("crash")
_ANN, _CANARY = "ann-4711", "canary-7f3a9c"
_OWN, _OTHERS = 300, 30
_LOCK = 4711
# Whoever writes down that this step begins waits for the test, which then kills it.
_TRAP = f"""
    CREATE OR REPLACE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.kind = 'EraseSubject'
            AND coalesce(NEW.progress -> 'cursor' ->> 'step', 'end') = TG_ARGV[0]
            AND OLD.progress IS DISTINCT FROM NEW.progress THEN
            PERFORM pg_advisory_xact_lock({_LOCK});
        END IF;
        RETURN NEW;
    END $$
"""
_SET = """
    CREATE OR REPLACE TRIGGER trap BEFORE UPDATE ON aeterna.operation
    FOR EACH ROW EXECUTE FUNCTION public.trap('{step}')
"""
_CAUGHT = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"


@asynccontextmanager
async def superuser(folder: Path) -> AsyncIterator[asyncpg.Connection]:
    dsn = f"postgresql:///aeterna?host={folder}/postgres/socket&port=5432"
    connection = await asyncpg.connect(dsn, user="postgres")
    try:
        yield connection
    finally:
        connection.terminate()  # its server may have been killed


async def test_an_erasure_that_is_killed_at_every_step_is_completed(folder: Path) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        await _fill(server)
        async with superuser(folder) as conn:
            await conn.execute(_TRAP)
            await conn.execute("GRANT EXECUTE ON FUNCTION public.trap TO PUBLIC")
        name = ""
        for number, step in enumerate([*STEPS[1:], "end"]):
            async with superuser(folder) as conn:
                await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
                await conn.execute(_SET.format(step=step))
                name = name or await _begin(server)
                await eventually(lambda: conn.fetchval(_CAUGHT), seconds=START_SECONDS)
                await server.kill(database_too=number % 2 == 0)
            await server.start()
        async with superuser(folder) as conn:
            await conn.execute("DROP TRIGGER IF EXISTS trap ON aeterna.operation")

        operation = await _ended(server, name)

        assert operation.HasField("response"), operation
        erasure = await _erasure(server, operation)
        assert erasure.state == erasure_pb2.ERASURE_STATE_COMPLETE
        assert erasure.certificate
        async with superuser(folder) as conn:
            assert await _holding(conn) == {}
            left = await conn.fetchval("SELECT count(*) FROM aeterna.memory")
            queued = await conn.fetchval("SELECT count(*) FROM aeterna.vector_256")
        assert (left, queued) == (_OTHERS, _OTHERS)
        assert await server.stop() == 0


async def _fill(server: Server) -> None:
    metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        for number in range(0, _OWN + _OTHERS, 30):
            memories = []
            for each in range(number, number + 30):
                memory = memory_pb2.Memory(content=f"Number {each} of {_CANARY}.")
                memory.layer = memory_pb2.LAYER_USER if each < _OWN else memory_pb2.LAYER_COMPANY
                memory.scope.user_id = _ANN if each < _OWN else ""
                memories.append(memory_pb2.CreateMemoryRequest(memory=memory))
            request = memory_pb2.BatchCreateMemoriesRequest(requests=memories)
            await stub.BatchCreateMemories(request, metadata=metadata)


async def _begin(server: Server) -> str:
    metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
    async with server.channel(2) as channel:
        stub = erasure_pb2_grpc.ErasureServiceStub(channel)
        request = erasure_pb2.EraseSubjectRequest(
            subject=_ANN, identifiers=[_CANARY], strategy=erasure_pb2.ERASURE_STRATEGY_DELETE
        )
        begun: Any = await stub.EraseSubject(request, metadata=metadata)
        return str(begun.name)


async def _ended(server: Server, name: str) -> Any:
    metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
    request = operations_pb2.GetOperationRequest(name=name)
    async with server.channel(2) as channel, asyncio.timeout(2 * START_SECONDS):
        stub: Any = operations_pb2_grpc.OperationsStub(channel)
        while True:
            try:
                found = await stub.GetOperation(request, metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                if found.done:
                    return found
            await asyncio.sleep(0.05)


async def _erasure(server: Server, operation: Any) -> erasure_pb2.Erasure:
    response = erasure_pb2.EraseSubjectResponse()
    operation.response.Unpack(response)
    metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
    async with server.channel(2) as channel:
        stub = erasure_pb2_grpc.ErasureServiceStub(channel)
        request = erasure_pb2.GetErasureRequest(name=response.erasure)
        return await stub.GetErasure(request, metadata=metadata)


async def _holding(conn: asyncpg.Connection) -> dict[str, int]:
    """Rows that hold the person or the canary in clear, by table."""
    tables = await conn.fetch(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        " WHERE table_schema IN ('aeterna', 'control') AND table_type = 'BASE TABLE'"
    )
    found = {}
    for (table,) in tables:
        sql = f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE $1 OR t::text LIKE $2"
        if count := await conn.fetchval(sql, f"%{_ANN}%", f"%{_CANARY}%"):
            found[table] = count
    return found
