"""Replicas that stop or let old connections go while clients call them: no call fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1.memory_pb2_grpc import MemoryServiceStub
from libs.clients import open_channel
from libs.service.platform import Platform, open_platform
from libs.service.server import serving
from libs.service.settings import ServerSettings
from services.memory.settings import Settings
from services.memory.wiring import wire
from tests.eventually import eventually
from tests.suite import Suite

_CALLERS = 8
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Load:
    """Callers that write without a pause; every text is a number of its own."""

    stub: Any
    numbers: list[int] = field(default_factory=list)  # written, as far as callers know
    failures: list[grpc.aio.AioRpcError] = field(default_factory=list)
    _next: int = 0

    async def call(self) -> None:
        while True:
            self._next += 1
            number = self._next
            memory = pb.Memory(layer=pb.LAYER_COMPANY, content=str(number))
            try:
                await self.stub.CreateMemory(pb.CreateMemoryRequest(memory=memory))
                self.numbers.append(number)
            except grpc.aio.AioRpcError as error:
                self.failures.append(error)

    async def more(self, count: int = 50) -> None:
        """Returns once so many more calls have ended."""
        ended = len(self.numbers) + len(self.failures) + count

        async def reached() -> bool:
            return len(self.numbers) + len(self.failures) >= ended

        await eventually(reached)


@asynccontextmanager
async def load_on(target: str, suite: Suite) -> AsyncIterator[Load]:
    """Runs during the block; its last calls are let through before the channel closes."""
    async with open_channel(target, lambda: suite.token("acme")) as channel:
        load = Load(MemoryServiceStub(channel))
        tasks = [asyncio.create_task(load.call()) for _ in range(_CALLERS)]
        try:
            yield load
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def replica(suite: Suite, platform: Platform, **server: Any) -> AsyncIterator[str]:
    """A memory service of its own port; ends at the end of the block, gracefully."""
    settings = Settings(
        platform=suite.platform, server=ServerSettings(address="127.0.0.1:0", **server)
    )
    async with serving("memory", settings, wire, platform) as listening:
        yield listening.grpc


@pytest.fixture
async def platform(suite: Suite) -> AsyncIterator[Platform]:
    await suite.create_tenant("acme")
    async with open_platform(suite.platform) as platform:
        yield platform


async def stored(suite: Suite) -> list[int]:
    """The numbers that the store holds."""
    request = pb.ListMemoriesRequest(page_size=1000)
    numbers = []
    while True:
        page = await suite.memory.ListMemories(request, metadata=suite.auth("acme"))
        numbers += [int(memory.content) for memory in page.memories]
        if not page.next_page_token:
            return numbers
        request.page_token = page.next_page_token


@pytest.mark.parametrize("delay", [0, 0.3])
async def test_no_call_fails_while_one_of_two_replicas_stops(
    suite: Suite, platform: Platform, delay: float
) -> None:
    async with replica(suite, platform) as staying:
        leaving = replica(suite, platform, drain_delay=timedelta(seconds=delay))
        target = f"ipv4:{await leaving.__aenter__()},{staying}"
        async with load_on(target, suite) as load:
            await load.more()
            await leaving.__aexit__(None, None, None)
            await load.more()

    assert load.failures == []
    kept = await stored(suite)
    assert len(kept) == len(set(kept))
    assert set(load.numbers) <= set(kept)


async def test_no_call_fails_when_connections_get_old(suite: Suite, platform: Platform) -> None:
    young = {"max_connection_age": timedelta(seconds=0.2)}
    grace = {"max_connection_age_grace": timedelta(seconds=5)}
    async with (
        replica(suite, platform, **young, **grace) as address,
        load_on(f"ipv4:{address}", suite) as load,
    ):
        await load.more(300)

    assert load.failures == []


async def test_a_stream_on_an_old_connection_ends_after_the_grace(
    suite: Suite, platform: Platform
) -> None:
    young = {"max_connection_age": timedelta(seconds=0.1)}
    grace = {"max_connection_age_grace": timedelta(seconds=1)}
    async with (
        replica(suite, platform, **young, **grace) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        watch = health(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == _SERVING
        async with asyncio.timeout(10):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await watch.read()

    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_draining_replica_says_so_and_still_serves(
    suite: Suite, platform: Platform
) -> None:
    running = replica(suite, platform, drain_delay=timedelta(seconds=60))
    address = await running.__aenter__()
    async with open_channel(address, lambda: suite.token("acme")) as channel:
        watch = health(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == _SERVING
        stop = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await watch.read()).status == _NOT_SERVING

        async with open_channel(address, lambda: suite.token("acme")) as late:
            assert await MemoryServiceStub(late).ListMemories(pb.ListMemoriesRequest()) is not None
        stop.cancel()
        with suppress(asyncio.CancelledError):
            await stop


def health(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)
