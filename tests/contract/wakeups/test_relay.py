"""What the relay does between publishers and any transport."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from structlog.testing import capture_logs

from libs.tenancy import TenantId
from libs.wakeups.relay import open_relay
from tests.contract.wakeups.processes import SOON, Bus, new_tenant


def tenants(hints: list[str]) -> list[str]:
    return [hint.rpartition(" ")[2] for hint in hints]


async def test_a_burst_is_one_hint_and_another_for_what_came_during_its_sending(
    bus: Bus, tenant: TenantId
) -> None:
    bus.waiting = asyncio.Event()
    async with open_relay(bus) as here:
        for _ in range(100):
            here.publish(tenant)
        await bus.attempts.acquire()
        for _ in range(100):
            here.publish(tenant)
        bus.waiting.set()
        await bus.attempts.acquire()

    assert tenants(bus.sent) == [tenant, tenant]


async def test_what_failed_is_sent_again_in_order(bus: Bus) -> None:
    first, second, third = new_tenant(), new_tenant(), new_tenant()
    bus.failing = True
    with capture_logs() as logs:
        async with open_relay(bus) as here, open_relay(bus) as there:
            here.publish(first)
            here.publish(second)
            for _ in range(2):
                await bus.attempts.acquire()
            here.publish(third)
            bus.failing = False
            with there.watch(third) as watch:
                assert await watch.wait(SOON)

    assert tenants(bus.sent) == [first, second, third]
    failures = [entry["error"] for entry in logs if entry["event"] == "wakeups.failed"]
    assert failures == ["ConnectionError"]


async def test_the_last_hint_is_sent_before_the_end(bus: Bus, tenant: TenantId) -> None:
    async with open_relay(bus) as here:
        here.publish(tenant)

    assert tenants(bus.sent) == [tenant]


async def test_a_hint_in_flight_at_the_end_is_sent_again(bus: Bus, tenant: TenantId) -> None:
    bus.waiting = asyncio.Event()
    async with open_relay(bus) as here:
        here.publish(tenant)
        await bus.attempts.acquire()
        bus.waiting = None

    assert tenants(bus.sent) == [tenant]


async def test_a_transport_that_hangs_delays_the_end_but_little(bus: Bus, tenant: TenantId) -> None:
    bus.waiting = asyncio.Event()
    async with asyncio.timeout(SOON):
        async with open_relay(bus) as here:
            here.publish(tenant)

    assert bus.sent == []


class Stubborn(Bus):
    """Loses the first cancellation, as drivers may that use asyncio.wait_for of Python 3.11."""

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        with suppress(asyncio.CancelledError):
            await super().listen(ready, hear)
        await super().listen(ready, hear)


async def test_a_transport_that_loses_a_cancellation_ends_all_the_same() -> None:
    async with asyncio.timeout(SOON):
        async with open_relay(Stubborn()) as here:
            await asyncio.sleep(0)
    with here.watch(new_tenant()) as watch:
        assert not await watch.wait(0)


async def test_what_is_no_hint_is_ignored(bus: Bus, tenant: TenantId) -> None:
    async with open_relay(bus) as here:
        with here.watch(tenant) as watch:
            for hint in ["", " ", "\n", tenant, f"{tenant} ", f"someone {tenant} more", "a" * 9999]:
                bus.put(hint)
            assert not await watch.wait(0)

            bus.put(f"someone {tenant}")
            assert await watch.wait(0)
