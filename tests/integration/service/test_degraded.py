"""Services without Redis: they go on, and say what they do without."""

from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.sync.v1 import sync_pb2
from cli.health import ask
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database
from tests.eventually import eventually
from tests.gate import gate_to
from tests.suite import Suite, open_suite

_SERVING = health_pb2.HealthCheckResponse.SERVING


async def status(channel: grpc.aio.Channel, part: str = "") -> Any:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=part))).status


async def test_without_redis_services_serve_and_say_that_they_are_degraded(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    async with gate_to(redis_url) as gate:
        settings = WakeupSettings(transport="redis", redis_url=SecretStr(gate.url))
        async with open_suite(database, tmp_path, settings) as suite:
            channel = suite.channels["memory"]

            async def whole() -> bool:
                return bool(await status(channel, "wakeups") == _SERVING)

            async def degraded() -> bool:
                return not await whole()

            await eventually(whole)
            acme = await suite.create_tenant("acme")
            await gate.stop()
            await eventually(degraded)

            assert await status(channel) == _SERVING
            assert (await ask("memory", suite.addresses.memory)).without == ("wakeups",)
            await writes_reach_subscribers(suite, acme)

            await gate.start()
            await eventually(whole)
            assert (await ask("memory", suite.addresses.memory)).without == ()


async def writes_reach_subscribers(suite: Suite, caller: Any) -> None:
    """A change that nobody announces is found by looking."""
    stream = suite.sync.Subscribe(sync_pb2.SubscribeRequest(), metadata=caller)
    await stream.read()
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="without Redis")
    created = await suite.memory.CreateMemory(
        pb.CreateMemoryRequest(memory=memory), metadata=caller
    )
    message = await stream.read()
    assert isinstance(message, sync_pb2.SubscribeResponse)
    assert message.change.resource == created.name
    stream.cancel()
