"""Four processes of 100 reservers on one budget, killed at random: never a unit over, none leaked.

AETERNA_CRASHES sets how often one is killed; 4 unless told.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from bench.budget_crowd import Crowd, open_crowd
from bench.budget_worker import CURRENCY, Task
from bench.budgets import Watch, put_budget, watching
from libs.embedded.postgres import embedded_postgres
from libs.embedded.processes import processes_in
from libs.postgres import SERVICE_ROLE, StoreUnavailable, open_pool
from libs.tenancy import Route, ShardId, TenantId
from libs.usage.budgets import Ledger, Reserve, Settle
from libs.usage.errors import BudgetExceeded
from libs.wakeups import Wakeups
from tests.databases import PASSWORD, TEMPLATE, Database, add_tenant, make_template
from tests.eventually import eventually

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
    await eventually(lambda: _at_rest(database))
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


async def _at_rest(database: Database) -> bool:
    """Whether the server has ended what it was asked for by those who are dead."""
    async with database.connect() as superuser:
        sql = (
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = $1 AND state <> 'idle')"
        )
        return bool(await superuser.fetchval(sql, SERVICE_ROLE))


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


async def test_what_was_settled_is_settled_after_postgres_was_killed(folder: Path) -> None:
    """Though the tenant's lock is free before the disk has it."""
    told = 0
    for turn in range(2):
        async with embedded_postgres(folder) as server:
            database = Database(server.dsn(TEMPLATE), TEMPLATE)
            if turn == 0:
                await make_template(server.dsn())
                await add_tenant(database, "acme")
                async with database.connect() as superuser:
                    await put_budget(superuser, "acme", 10**9)
            else:
                assert await _spent(database) >= told
            told += await _spend_until_killed(database, folder)
            assert told > 50 * (turn + 1)
    async with embedded_postgres(folder) as server:
        assert await _spent(Database(server.dsn(TEMPLATE), TEMPLATE)) >= told


async def _spend_until_killed(database: Database, folder: Path) -> int:
    """Units of which it was answered that they are settled."""
    async with open_pool(database.settings()) as pool:
        route = Route(TenantId("acme"), ShardId("main"), 1, pool)
        ledgers = [Ledger(Wakeups()) for _ in range(2)]
        told: list[UUID] = []
        spenders = [
            asyncio.create_task(_spender(ledgers[place % 2], route, told)) for place in range(20)
        ]

        async def enough() -> bool:
            return len(told) > 50

        await eventually(enough)
        await asyncio.sleep(random.uniform(0, 1))
        for process in processes_in(folder / "data", program="postgres"):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        await asyncio.gather(*spenders)
        return len(told)


async def _spender(ledger: Ledger, route: Route, told: list[UUID]) -> None:
    with suppress(StoreUnavailable):
        while True:
            command = Reserve(Decimal(1), CURRENCY, timedelta(minutes=5))
            reserved = await ledger.submit(route, command)
            await ledger.submit(route, Settle(reserved.id, Decimal(1)))
            told.append(reserved.id)


async def _spent(database: Database) -> int:
    async with database.connect() as superuser:
        spent = await superuser.fetchval("SELECT coalesce(sum(spent), 0) FROM aeterna.budget_spend")
    return int(spent)
