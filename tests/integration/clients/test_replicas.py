"""One channel over several replicas, as a headless Service of Kubernetes gives them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from libs.clients import open_channel
from tests.eventually import eventually


class Replica(pb_grpc.MemoryServiceServicer):
    """Counts its calls; its connections break when it is killed."""

    def __init__(self) -> None:
        self.calls = 0
        self._server = grpc.aio.server()

    async def CreateMemory(self, request: pb.CreateMemoryRequest, context: Any) -> pb.Memory:
        self.calls += 1
        return request.memory

    async def start(self, address: str = "127.0.0.1:0") -> str:
        pb_grpc.add_MemoryServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def kill(self) -> None:
        await self._server.stop(None)


@pytest.fixture
async def replicas() -> AsyncIterator[dict[str, Any]]:
    """Two, by address."""
    kind: Any = Replica  # abstract for type checkers; the methods left out are UNIMPLEMENTED
    async with AsyncExitStack() as stack:
        started = {}
        for _ in range(2):
            replica = kind()
            started[await replica.start()] = replica
            stack.push_async_callback(replica.kill)
        yield started


def calls(replicas: dict[str, Any]) -> list[int]:
    return [each.calls for each in replicas.values()]


async def test_calls_are_spread_evenly(replicas: dict[str, Any]) -> None:
    async with open_channel("ipv4:" + ",".join(replicas), lambda: "token") as channel:
        stub = pb_grpc.MemoryServiceStub(channel)

        async def reach_both() -> bool:
            await stub.CreateMemory(pb.CreateMemoryRequest())
            return all(calls(replicas))

        await eventually(reach_both)
        before = calls(replicas)
        for _ in range(100):
            await stub.CreateMemory(pb.CreateMemoryRequest())

    assert [after - each for after, each in zip(calls(replicas), before, strict=True)] == [50, 50]


async def test_calls_survive_the_loss_of_a_replica(replicas: dict[str, Any]) -> None:
    lost, left = replicas.values()
    async with open_channel("ipv4:" + ",".join(replicas), lambda: "token") as channel:
        stub = pb_grpc.MemoryServiceStub(channel)

        async def call(times: int) -> None:
            for _ in range(times):
                await stub.CreateMemory(pb.CreateMemoryRequest())

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(call(50))
            await lost.kill()
        left.calls = 0
        await call(10)

    assert left.calls == 10


async def test_a_replica_that_comes_back_is_used_again(replicas: dict[str, Any]) -> None:
    (address, lost), _ = replicas.items()
    async with open_channel("ipv4:" + ",".join(replicas), lambda: "token") as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        await stub.CreateMemory(pb.CreateMemoryRequest())
        await lost.kill()
        kind: Any = Replica
        again = kind()
        await again.start(address)

        async def used() -> bool:
            await stub.CreateMemory(pb.CreateMemoryRequest())
            return bool(again.calls)

        await eventually(used)
        await again.kill()
