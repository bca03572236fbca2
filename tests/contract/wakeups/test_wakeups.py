"""What holds over every transport, between two processes and within one."""

import asyncio
from contextlib import ExitStack

import pytest

from libs.tenancy import TenantId
from tests.contract.wakeups.processes import SOON, Processes, new_tenant


async def everything_is_heard(processes: Processes) -> None:
    """Returns when each has heard what the other published before."""
    for sender, receiver in (processes, processes[::-1]):
        fence = new_tenant()
        with receiver.watch(fence) as watch:
            sender.publish(fence)
            assert await watch.wait(SOON)


async def test_the_other_process_is_rung(processes: Processes, tenant: TenantId) -> None:
    here, there = processes
    with there.watch(tenant) as watch:
        here.publish(tenant)

        assert await watch.wait(SOON)


async def test_the_same_process_is_rung_at_once(processes: Processes, tenant: TenantId) -> None:
    here, _ = processes
    with here.watch(tenant) as watch:
        here.publish(tenant)

        assert await watch.wait(0)


async def test_one_ring_is_heard_once_by_each_watcher(
    processes: Processes, tenant: TenantId
) -> None:
    here, there = processes
    with here.watch(tenant) as first, here.watch(tenant) as second, there.watch(tenant) as third:
        here.publish(tenant)

        assert await first.wait(0)
        assert await second.wait(0)
        assert await third.wait(SOON)

        await everything_is_heard(processes)
        assert not await first.wait(0)
        assert not await second.wait(0)
        assert not await third.wait(0)


async def test_a_ring_between_two_waits_is_not_lost(processes: Processes, tenant: TenantId) -> None:
    here, there = processes
    with there.watch(tenant) as watch:
        assert not await watch.wait(0.001)
        here.publish(tenant)
        await everything_is_heard(processes)

        assert await watch.wait(0)


async def test_a_wait_that_is_cancelled_leaves_the_ring(
    processes: Processes, tenant: TenantId
) -> None:
    here, _ = processes
    with here.watch(tenant) as watch:
        waiting = asyncio.create_task(watch.wait(SOON))
        await asyncio.sleep(0)
        here.publish(tenant)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await watch.wait(0)


async def test_many_rings_are_one(processes: Processes, tenant: TenantId) -> None:
    here, there = processes
    with there.watch(tenant) as watch:
        for _ in range(1000):
            here.publish(tenant)
        await everything_is_heard(processes)

        assert await watch.wait(0)
        assert not await watch.wait(0)


async def test_names_that_begin_alike_are_different_tenants(
    processes: Processes, tenant: TenantId
) -> None:
    here, there = processes
    shorter, longer = TenantId(tenant[:-1]), TenantId(f"{tenant}-1")
    with there.watch(shorter) as before, there.watch(tenant) as own, there.watch(longer) as after:
        here.publish(tenant)
        await everything_is_heard(processes)

        assert not await before.wait(0)
        assert await own.wait(0)
        assert not await after.wait(0)


async def test_many_tenants_each_get_their_own(processes: Processes) -> None:
    here, there = processes
    tenants = [new_tenant() for _ in range(500)]
    with ExitStack() as stack:
        watches = [stack.enter_context(there.watch(tenant)) for tenant in tenants]
        for tenant in tenants[::2]:
            here.publish(tenant)
        await everything_is_heard(processes)

        assert [await watch.wait(0) for watch in watches] == [True, False] * 250


async def test_a_watch_begins_unrung_and_ends_with_its_block(
    processes: Processes, tenant: TenantId
) -> None:
    here, _ = processes
    with here.watch(tenant) as left:
        pass
    here.publish(tenant)
    with here.watch(tenant) as watch:
        assert not await watch.wait(0)
        with here.watch(tenant), here.watch(new_tenant()):
            pass
        here.publish(tenant)

        assert await watch.wait(0)
    assert not await left.wait(0)
