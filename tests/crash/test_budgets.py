"""Four processes of 100 reservers on one budget, killed at random: never a unit over, none leaked.

AETERNA_CRASHES sets how often one is killed; 4 unless told.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from bench.budget_crowd import Crowd, open_crowd
from bench.budget_worker import CURRENCY, Task
from bench.budgets import Watch, put_budget, watching
from libs.postgres import SERVICE_ROLE
from libs.tenancy import Route
from libs.usage.budgets import Ledger, Reserve
from libs.usage.errors import BudgetExceeded
from libs.wakeups import Wakeups
from tests.databases import PASSWORD, Database

_KILLS = int(os.environ.get("AETERNA_CRASHES", "4"))
_PROCESSES, _RESERVERS = 4, 100
_LEASE, _CALL = 2.0, 0.3  # seconds
_LIMIT = 200 * _KILLS


@pytest.fixture
async def watch(database: Database, route: Route) -> AsyncIterator[Watch]:
    """The budget of acme, seen from outside."""
    async with database.connect() as superuser:
        await put_budget(superuser, route.tenant, _LIMIT)
        async with watching(superuser, route.tenant) as watch:
            yield watch


@pytest.mark.parametrize("allotted", [True, False], ids=["allotted", "durable"])
async def test_killed_spenders_never_exceed_a_budget(
    database: Database, route: Route, watch: Watch, allotted: bool
) -> None:
    task = Task(
        database.dsn, SERVICE_ROLE, PASSWORD, route.tenant, _RESERVERS, _LEASE, _CALL, allotted
    )
    async with open_crowd(task, _PROCESSES) as crowd:
        await _kill(crowd)
        await crowd.exhausted()
        await crowd.stop(kill=True)
    await asyncio.sleep(_LEASE)

    left = await _rest(Ledger(Wakeups()), route)  # also ends the leases that are over

    row = await watch.look()
    assert crowd.told.kills == _KILLS
    assert crowd.told.granted
    assert watch.most <= 0
    assert watch.unequal == 0
    assert crowd.told.settled <= row["spent"] <= _LIMIT
    assert row["spent"] + left == _LIMIT  # nothing is held for the dead


async def _kill(crowd: Crowd) -> None:
    rng = random.Random()
    await crowd.ready()
    for _ in range(_KILLS):
        await asyncio.sleep(rng.uniform(0.2, 1))
        await crowd.kill_one(rng)


async def _rest(ledger: Ledger, route: Route) -> Decimal:
    """How much can still be had, unit by unit from the largest."""
    had, units = Decimal(0), Decimal(2**20)
    while units >= 1:
        try:
            await ledger.submit(route, Reserve(units, CURRENCY, timedelta(minutes=5)))
        except BudgetExceeded:
            units /= 2
        else:
            had += units
    return had
