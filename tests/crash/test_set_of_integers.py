"""Set of integers (after Jepsen): numbered memories are added while the server is killed.

What was acknowledged is there, once; change numbers have no gap; everything is searchable.
AETERNA_CRASHES sets how often it is killed; 20 unless told.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import random
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

import grpc

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.memory.v1 import memory_pb2, memory_pb2_grpc
from aeterna.sync.v1 import sync_pb2, sync_pb2_grpc
from libs.auth import Role
from libs.tenancy import TenantId
from tests.crash.server import START_SECONDS, Server, running
from tests.eventually import eventually

_KILLS = int(os.environ.get("AETERNA_CRASHES", "20"))
_CLIENTS = 8
_TENANT = TenantId("ints")
_WORDS = Path(__file__).read_text().split()  # any words: they only have to differ
_RETRY_SECONDS = 0.05
_RETRIABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Workload:
    """Clients that add memories one by one; each sends a request until it is acknowledged."""

    server: Server
    metadata: tuple[tuple[str, str], ...]
    acknowledged: dict[int, str] = field(default_factory=dict)  # number -> name
    repeats: int = 0
    stopping: bool = False

    async def client(self, place: int) -> None:
        async with self.server.channel(0) as channel:
            stub = memory_pb2_grpc.MemoryServiceStub(channel)
            number = place
            while not self.stopping:
                request = memory_pb2.CreateMemoryRequest(
                    memory=memory_pb2.Memory(
                        layer=memory_pb2.LAYER_USER,
                        scope=Scope(user_id=f"user{place}"),
                        content=_content(number),
                    ),
                    request_id=str(uuid4()),
                )
                self.acknowledged[number] = await self._until_acknowledged(stub, request)
                number += _CLIENTS

    async def _until_acknowledged(
        self,
        stub: memory_pb2_grpc.MemoryServiceAsyncStub,
        request: memory_pb2.CreateMemoryRequest,
    ) -> str:
        while True:
            try:
                created = await stub.CreateMemory(request, metadata=self.metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIABLE:
                    raise
                self.repeats += 1
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return created.name


def _content(number: int) -> str:
    words = random.Random(number).choices(_WORDS, k=6)
    return f"{number} {' '.join(words)}"


async def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(folder: Path) -> None:
    async with running(folder) as server:
        await server.create_tenant(_TENANT)
        workload = Workload(server, await server.token(_TENANT, Role.ADMIN))
        clients = [asyncio.create_task(workload.client(place)) for place in range(_CLIENTS)]
        for kill in range(_KILLS):
            await _more_acknowledged(workload, clients)
            await server.kill(database_too=kill % 2 == 0)
            await server.start()
        await _more_acknowledged(workload, clients)
        workload.stopping = True
        await asyncio.gather(*clients)

        stored = await _stored(server, workload.metadata)
        numbers = [int(content.split()[0]) for content in stored.values()]
        acknowledged = set(workload.acknowledged)
        print(
            f"{_KILLS} kills, {len(acknowledged)} acknowledged, {workload.repeats} repeats,"
            f" lost {len(acknowledged - set(numbers))}, doubled {len(numbers) - len(set(numbers))}"
        )
        assert acknowledged == set(numbers)
        assert len(numbers) == len(set(numbers))
        assert {name: number for number, name in workload.acknowledged.items()} == {
            name: int(content.split()[0]) for name, content in stored.items()
        }
        assert await _changes(server, workload.metadata) == list(range(1, len(stored) + 2))
        await _all_searchable(server, workload.metadata, stored)
        assert await server.stop() == 0


async def _more_acknowledged(workload: Workload, clients: list[asyncio.Task[None]]) -> None:
    """Returns once some more were acknowledged; raises what a client raises."""
    target = len(workload.acknowledged) + random.randint(1, 5 * _CLIENTS)
    async with asyncio.timeout(START_SECONDS):
        while len(workload.acknowledged) < target:
            done, _ = await asyncio.wait(clients, timeout=0.01, return_when="FIRST_EXCEPTION")
            for client in done:
                client.result()


async def _stored(server: Server, metadata: tuple[tuple[str, str], ...]) -> dict[str, str]:
    stored: dict[str, str] = {}
    token = ""
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)
        while True:
            request = memory_pb2.ListMemoriesRequest(page_size=1000, page_token=token)
            page = await stub.ListMemories(request, metadata=metadata)
            stored.update({memory.name: memory.content for memory in page.memories})
            token = page.next_page_token
            if not token:
                return stored


async def _changes(server: Server, metadata: tuple[tuple[str, str], ...]) -> list[int]:
    numbers: list[int] = []
    async with server.channel(3) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        while True:
            request = sync_pb2.ListChangesRequest(
                since=numbers[-1] if numbers else 0, page_size=1000
            )
            page = await stub.ListChanges(request, metadata=metadata)
            numbers += [change.number for change in page.changes]
            if not page.changes:
                return numbers


async def _all_searchable(
    server: Server, metadata: tuple[tuple[str, str], ...], stored: dict[str, str]
) -> None:
    """Each memory is found by its own words; the worker has a while for what the kills left."""
    async with server.channel(0) as channel:
        stub = memory_pb2_grpc.MemoryServiceStub(channel)

        async def found(name: str) -> bool:
            request = memory_pb2.SearchMemoriesRequest(query=stored[name], limit=5)
            answer = await stub.SearchMemories(request, metadata=metadata)
            return any(result.memory.name == name for result in answer.results)

        for name in stored:
            await eventually(partial(found, name), START_SECONDS)
