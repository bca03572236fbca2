"""Rounds over the tenants of every shard: what fails for one leaves the others served."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from libs.postgres import StoreUnavailable
from libs.service.rounds import TenantRounds
from libs.tenancy import TenantId, TenantMoved
from libs.tenancy.directory import Directory


class Shards:
    """A directory of two shards, whose routes are the tenants' own names."""

    def __init__(self) -> None:
        self.forgotten: list[TenantId] = []

    async def shards(self) -> list[str]:
        return ["away", "here"]

    async def route(self, tenant: TenantId) -> TenantId:
        return tenant

    def forget(self, tenant: TenantId) -> None:
        self.forgotten.append(tenant)


async def whom(shard: Any) -> list[TenantId]:
    if shard == "away":
        raise StoreUnavailable
    return [TenantId("one"), TenantId("two"), TenantId("two")]


async def served(directory: Shards, failures: dict[str, Exception]) -> list[str]:
    """For whom a round did the work, once for each."""
    done: list[str] = []

    async def work(route: Any) -> None:
        if route in failures:
            raise failures[route]
        done.append(route)

    rounds = TenantRounds("work", cast("Directory", directory), whom, work, timedelta(0))
    await rounds.round()
    return sorted(done)


async def test_a_shard_that_is_away_leaves_the_others_served() -> None:
    assert await served(Shards(), {}) == ["one", "two"]


@pytest.mark.parametrize("failure", [StoreUnavailable(), ValueError("a bug")])
async def test_a_tenant_that_fails_leaves_the_others_served(failure: Exception) -> None:
    directory = Shards()
    assert await served(directory, {"one": failure}) == ["two"]
    assert directory.forgotten == []


async def test_a_tenant_that_has_moved_is_looked_up_anew() -> None:
    directory = Shards()
    assert await served(directory, {"one": TenantMoved(TenantId("one"))}) == ["two"]
    assert directory.forgotten == ["one"]


async def test_who_takes_long_does_not_hold_up_who_comes_later() -> None:
    known, late = [TenantId("slow")], asyncio.Event()
    turns: list[str] = []

    async def known_so_far(shard: Any) -> list[TenantId]:
        return known

    async def work(route: Any) -> None:
        turns.append(route)
        if route == "slow":
            known.append(TenantId("late"))
            await asyncio.Event().wait()
        late.set()

    directory = cast("Directory", Shards())
    rounds = TenantRounds("work", directory, known_so_far, work, timedelta(0), at_once=2)
    task = asyncio.create_task(rounds.run())
    try:
        await asyncio.wait_for(late.wait(), 5)
        assert turns.count("slow") == 1
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_rounds_go_on_until_they_are_cancelled() -> None:
    twice = asyncio.Event()
    asked = 0

    async def count(shard: Any) -> list[TenantId]:
        nonlocal asked
        asked += 1
        if asked > 2:
            twice.set()
        return []

    async def nothing(route: Any) -> None:
        raise AssertionError

    rounds = TenantRounds("work", cast("Directory", Shards()), count, nothing, timedelta(0))
    task = asyncio.create_task(rounds.run())
    await asyncio.wait_for(twice.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
