"""A client of the memory service, as its users write one: generated stubs over gRPC channels."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import uuid4

import grpc

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc

USER = "user-1"
BATCH = 100  # the most that one call takes
# Channels with equal options would share a connection.
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@dataclass(frozen=True)
class Client:
    """Calls for one tenant, spread over connections in turn."""

    token: str
    stubs: Any  # an endless iterator of stubs

    async def add(self, text: str) -> None:
        """One memory, with a request id, as clients that may retry send it."""
        request = pb.CreateMemoryRequest(memory=_memory(text), request_id=str(uuid4()))
        await next(self.stubs).CreateMemory(request, metadata=self._metadata)

    async def add_batch(self, texts: Sequence[str]) -> None:
        """At most BATCH memories, all or none."""
        requests = [pb.CreateMemoryRequest(memory=_memory(text)) for text in texts]
        request = pb.BatchCreateMemoriesRequest(requests=requests, request_id=str(uuid4()))
        await next(self.stubs).BatchCreateMemories(request, metadata=self._metadata)

    async def search(self, query: str, limit: int, *, user: str = "") -> list[tuple[str, str]]:
        """Ids and contents, nearest first, of the whole tenant or as one user sees it."""
        request = pb.SearchMemoriesRequest(
            query=query,
            limit=limit,
            scope=scope_pb2.Scope(user_id=user),
            strategy=pb.SEARCH_STRATEGY_SEMANTIC,
        )
        answer = await next(self.stubs).SearchMemories(request, metadata=self._metadata)
        return [(each.memory.name, each.memory.content) for each in answer.results]

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)


@asynccontextmanager
async def open_clients(
    address: str, tokens: Sequence[str], *, connections: int = 1
) -> AsyncIterator[list[Client]]:
    """One client for each token; all share the connections."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, _OWN_CONNECTION))
            for _ in range(connections)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        stubs = cycle([pb_grpc.MemoryServiceStub(channel) for channel in channels])
        yield [Client(token, stubs) for token in tokens]


def _memory(text: str) -> pb.Memory:
    scope = scope_pb2.Scope(user_id=USER)
    return pb.Memory(layer=pb.LAYER_USER, scope=scope, content=text)
