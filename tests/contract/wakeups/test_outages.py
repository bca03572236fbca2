"""A server that goes away, comes back, or falls silent; nobody who publishes notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import asyncpg
import pytest
import redis.asyncio
from prometheus_client import REGISTRY
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from libs.redis import RedisSettings, RedisUrlInvalid, SentinelsInvalid
from libs.tenancy import TenantId
from libs.wakeups.postgres_notify import PostgresTransport
from libs.wakeups.redis_pubsub import open_redis_transport
from libs.wakeups.relay import Transport, open_relay
from libs.wakeups.settings import WakeupSettings
from tests.contract.wakeups.processes import SOON, Bus, control_pool, new_tenant, open_process
from tests.gate import gate_to
from tests.sentinels import sentinel_group
from tests.servers import stoppable_postgres

SILENCE = 1.0  # seconds: for a server on a busy machine to answer

each_server = pytest.mark.parametrize("transport", ["redis", "postgres"])


class Stoppable(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@asynccontextmanager
async def stoppable(transport: str, redis_url: str) -> AsyncIterator[tuple[str, Stoppable]]:
    """An address, and what stops and starts the server there."""
    if transport == "redis":
        async with gate_to(redis_url) as gate:
            yield gate.url, gate
    else:
        async with stoppable_postgres() as server:
            yield server.dsn(), server


@each_server
async def test_after_an_outage_everyone_is_rung_and_hints_flow_again(
    transport: str, redis_url: str, tenant: TenantId, bus: Bus
) -> None:
    async with (
        stoppable(transport, redis_url) as (address, server),
        open_process(transport, address, bus) as here,
        open_process(transport, address, bus) as there,
    ):
        other = new_tenant()
        with here.watch(tenant) as near, there.watch(tenant) as far, there.watch(other) as quiet:
            await server.stop()
            here.publish(tenant)
            assert await near.wait(0)
            assert not await far.wait(0.01)

            await server.start()
            assert await far.wait(SOON)
            assert await quiet.wait(0)
        for sender, receiver in ((here, there), (there, here)):
            fresh = new_tenant()
            with receiver.watch(fresh) as watch:
                sender.publish(fresh)
                assert await watch.wait(SOON)


@each_server
async def test_a_process_starts_without_the_server(
    transport: str, redis_url: str, tenant: TenantId, bus: Bus
) -> None:
    async with stoppable(transport, redis_url) as (address, server):
        await server.stop()
        async with open_process(transport, address, bus) as here:
            with here.watch(tenant) as watch:
                assert not await watch.wait(0)
                here.publish(tenant)
                assert await watch.wait(0)

                await server.start()
                assert await watch.wait(SOON)


@each_server
async def test_an_outage_is_logged_once_for_each_direction_without_the_address(
    transport: str, redis_url: str, tenant: TenantId, bus: Bus
) -> None:
    async with stoppable(transport, redis_url) as (address, server):
        with capture_logs() as logs:
            async with open_process(transport, address, bus) as here:
                with here.watch(tenant) as watch:
                    await server.stop()
                    here.publish(tenant)
                    assert await watch.wait(0)
                    assert not await watch.wait(1)  # several attempts fail in it
                    await server.start()
                    assert await watch.wait(SOON)

    failures = [entry["line"] for entry in logs if entry["event"] == "wakeups.failed"]
    assert sorted(failures) == ["listen", "send"]
    assert "127.0.0.1" not in str(logs)
    assert tenant not in str(logs)


@asynccontextmanager
async def quick_transport(transport: str, address: str) -> AsyncIterator[Transport]:
    """Soon tired of silence."""
    if transport == "redis":
        settings = RedisSettings(redis_url=SecretStr(address))
        async with open_redis_transport(settings) as over_redis:
            yield replace(over_redis, silence=SILENCE)
    else:
        async with control_pool(address) as pool:
            yield PostgresTransport(pool, silence=SILENCE)


@pytest.fixture
def address(transport: str, redis_url: str, postgres: str) -> str:
    return redis_url if transport == "redis" else postgres


@each_server
async def test_a_server_that_falls_silent_is_left(
    transport: str, address: str, tenant: TenantId
) -> None:
    async with (
        gate_to(address) as gate,
        quick_transport(transport, gate.url) as quick,
        open_relay(quick) as here,
    ):
        await gate.arrivals.acquire()
        with here.watch(tenant) as watch:
            gate.freeze()
            async with asyncio.timeout(SOON):
                await gate.arrivals.acquire()  # it tries another connection
            assert not await watch.wait(0)

            gate.thaw()
            assert await watch.wait(SOON)


@each_server
async def test_a_server_that_has_nothing_to_say_is_kept(
    transport: str, address: str, tenant: TenantId
) -> None:
    async with (
        gate_to(address) as gate,
        quick_transport(transport, gate.url) as quick,
        open_relay(quick) as here,
    ):
        await gate.arrivals.acquire()
        with here.watch(tenant) as watch:
            assert not await watch.wait(2.5 * SILENCE)
        assert gate.arrivals.locked()


async def test_garbage_on_the_channel_of_redis_is_ignored(
    redis_url: str, tenant: TenantId, bus: Bus
) -> None:
    async with (
        open_process("redis", redis_url, bus) as here,
        redis.asyncio.Redis.from_url(redis_url) as stranger,
    ):
        with capture_logs() as logs, here.watch(tenant) as watch:
            await stranger.publish("aeterna:changes", b"\xff\x00 \xfe")
            await stranger.publish("aeterna:changes", f"stranger {tenant}")
            assert await watch.wait(SOON)
    assert logs == []  # it did not have to connect again


async def test_garbage_on_the_channel_of_postgres_is_ignored(
    postgres: str, tenant: TenantId, bus: Bus
) -> None:
    async with (
        open_process("postgres", postgres, bus) as here,
        asyncpg.create_pool(postgres, min_size=1, max_size=1) as stranger,
    ):
        with capture_logs() as logs, here.watch(tenant) as watch:
            await stranger.execute("NOTIFY aeterna_changes; NOTIFY aeterna_changes, 'a b c'")
            await stranger.execute(f"NOTIFY aeterna_changes, 'stranger {tenant}'")
            assert await watch.wait(SOON)
    assert logs == []  # it did not have to connect again


@pytest.mark.parametrize("url", ["http://h", "redis://:pa/ss@h", "redis://h:port", ""])
async def test_an_address_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(RedisUrlInvalid) as refusal:
        async with open_redis_transport(RedisSettings(redis_url=SecretStr(url))):
            pass
    assert str(refusal.value) == "The Redis URL is not valid."
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize("sentinels", ["h", "h:port", ":1", "h:1,", "h:65536"])
async def test_sentinels_that_are_none_are_refused(sentinels: str) -> None:
    with pytest.raises(SentinelsInvalid):
        async with open_redis_transport(RedisSettings(sentinels=sentinels)):
            pass


@pytest.mark.parametrize("both", [{}, {"redis_url": "redis://h", "sentinels": "h:1"}])
def test_redis_needs_an_address_or_sentinels(both: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either redis_url or sentinels"):
        WakeupSettings.model_validate({"transport": "redis", **both})


async def test_hints_flow_again_after_a_failover(tenant: TenantId, bus: Bus) -> None:
    with sentinel_group() as group:
        async with (
            open_process("sentinel", group.addresses, bus) as here,
            open_process("sentinel", group.addresses, bus) as there,
        ):
            before = group.master()
            with there.watch(tenant) as watch:
                group.kill_master()
                assert await watch.wait(SOON)  # it is connected again
            for sender, receiver in ((here, there), (there, here)):
                fresh = new_tenant()
                with receiver.watch(fresh) as watch:
                    sender.publish(fresh)
                    assert await watch.wait(SOON)
        assert group.master() != before


@each_server
async def test_it_is_told_whether_others_can_be_heard(
    transport: str, redis_url: str, bus: Bus
) -> None:
    async with (
        stoppable(transport, redis_url) as (address, server),
        open_process(transport, address, bus) as here,
        asyncio.timeout(SOON),
    ):
        told = here.connections()
        assert await anext(told)
        assert measured() == 1

        await server.stop()
        assert not await anext(told)
        assert measured() == 0

        await server.start()
        assert await anext(told)
        assert measured() == 1
        await told.aclose()


def measured() -> float | None:
    return REGISTRY.get_sample_value("aeterna_wakeups_connected")
