"""Re-encryption while the server is killed: it goes on, and nothing is lost or left behind.

AETERNA_CRASHES sets how often it is killed; 4 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from aeterna.common.v1 import operation_pb2
from aeterna.common.v1.scope_pb2 import Scope
from aeterna.governance.v1 import keys_pb2, keys_pb2_grpc
from aeterna.memory.v1 import memory_pb2, memory_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_TENANT = TenantId("crash")
_TEXTS, _USERS = 2_000, 20
_RATE = 1_000  # rows in a second: slow enough to be caught
_MOST_BETWEEN = 300  # rows between two kills
_VALUES = 2  # of each memory: content and metadata


async def test_a_killed_reencryption_goes_on_and_ends_well(folder: Path) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        contents = [f"fact {number}" for number in range(_TEXTS)]
        await _add(server, contents)
        rotate = keys_pb2.RotateSubjectKeysRequest()
        await _finished(server, await _begin(server, "RotateSubjectKeys", rotate))
        request = keys_pb2.ReencryptFieldsRequest(rows_per_second=_RATE)
        name = await _begin(server, "ReencryptFields", request)

        seen: list[int] = []
        for kill in range(_KILLS):
            before = seen[-1] if seen else 0
            seen.append(
                (await _beyond(server, name, before + random.randrange(_MOST_BETWEEN))).done
            )
            await server.kill(database_too=kill % 2 == 0)
            await server.start()
        moved = keys_pb2.ReencryptFieldsResponse()
        assert (await _finished(server, name)).response.Unpack(moved)
        retire = keys_pb2.RetireKeysRequest()
        name = await _begin(server, "RetireKeys", retire)
        await server.kill(database_too=True)
        await server.start()
        retired = keys_pb2.RetireKeysResponse()
        assert (await _finished(server, name)).response.Unpack(retired)

        print(f"killed at {seen} of {_TEXTS}")
        assert (moved.rows, moved.values) == (_TEXTS, _TEXTS * _VALUES)
        assert (moved.overtaken, moved.unreadable, moved.erased) == (0, 0, 0)
        assert retired.named == 0
        assert await _stored(server) == sorted(contents)
        left = await _subject_keys(server)
        assert {key.subject for key in left} == {f"user{place}" for place in range(_USERS)}
        assert {key.version for key in left} == {2}
        assert await server.stop() == 0


async def _add(server: Server, contents: list[str]) -> None:
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        for start in range(0, len(contents), 100):
            requests = [
                memory_pb2.CreateMemoryRequest(
                    memory=memory_pb2.Memory(
                        content=each,
                        layer=memory_pb2.LAYER_USER,
                        scope=Scope(user_id=f"user{place % _USERS}"),
                    )
                )
                for place, each in enumerate(contents[start : start + 100])
            ]
            request = memory_pb2.BatchCreateMemoriesRequest(requests=requests)
            await stub.BatchCreateMemories(request, metadata=metadata)


async def _begin(server: Server, method: str, request: Any) -> str:
    async with server.channel(2) as channel:
        stub = keys_pb2_grpc.KeyServiceStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        begun = await getattr(stub, method)(request, metadata=metadata)
        return str(begun.name)


async def _beyond(server: Server, name: str, done: int) -> operation_pb2.OperationMetadata:
    """How far it is once it has done more than so much, or has ended."""
    while True:
        operation = await _get(server, name)
        progress = operation_pb2.OperationMetadata()
        operation.metadata.Unpack(progress)
        if progress.done > done or operation.done:
            return progress
        await asyncio.sleep(0.01)


async def _finished(server: Server, name: str) -> Any:
    async with asyncio.timeout(2 * START_SECONDS):
        await _beyond(server, name, sys.maxsize)
    operation = await _get(server, name)
    assert not operation.HasField("error"), operation.error
    return operation


async def _get(server: Server, name: str) -> Any:
    request = operations_pb2.GetOperationRequest(name=name)
    async with server.channel(2) as channel, asyncio.timeout(START_SECONDS):
        stub: Any = operations_pb2_grpc.OperationsStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        while True:
            try:
                return await stub.GetOperation(request, metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(0.05)


async def _stored(server: Server) -> list[str]:
    found: list[str] = []
    request = memory_pb2.ListMemoriesRequest(page_size=1000)
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        while True:
            page = await stub.ListMemories(request, metadata=metadata)
            found += [memory.content for memory in page.memories]
            request.page_token = page.next_page_token
            if not request.page_token:
                return sorted(found)


async def _subject_keys(server: Server) -> list[keys_pb2.SubjectKey]:
    request = keys_pb2.ListSubjectKeysRequest(page_size=1000)
    async with server.channel(2) as channel:
        stub = keys_pb2_grpc.KeyServiceStub(channel)
        metadata = await server.token(_TENANT, Role.TENANT_ADMIN)
        return list((await stub.ListSubjectKeys(request, metadata=metadata)).subject_keys)
