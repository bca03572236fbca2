"""Budgets under many processes: four of 100 reservers each, on one budget of one tenant.

First, how long a reservation takes while the budget has room. Then a budget that is too small for
all of them, while processes are killed at random: what was promised, never more than the budget;
what the dead had reserved, free once the leases are over.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg

from bench.budget_crowd import Crowd, Told, open_crowd, quantile
from bench.budget_worker import CURRENCY, Task
from bench.report import Report, Row, Section
from bench.stack import Stack, open_stack
from cli.embedded import DATABASE
from libs.embedded.postgres import PostgresServer
from libs.postgres import SERVICE_ROLE

PROCESSES, RESERVERS = 4, 100
_LEASE = 3.0  # seconds
_CALL = 0.5  # seconds that the call of a provider takes at most
_PLENTY = 10**12
_ALLOTTED, _DURABLE = _WAYS = ("allotted", "durable")
_ADD = """
    INSERT INTO aeterna.budget (tenant_id, id, org_id, team_id, project_id, model, period,
        window_hours, amount, currency, thresholds, action, calls_per_minute, version, number,
        created_at, updated_at)
    VALUES ($1, $2, '', '', '', '', 'month', 0, $3, $4, '{80,90,100}', 'block', 6, 1, 1,
        now(), now())
"""
_ADD_STATE = "INSERT INTO aeterna.budget_state (tenant_id, id) VALUES ($1, $2)"
_TOTALS = """
    SELECT b.amount, s.held, coalesce((SELECT sum(p.spent) FROM aeterna.budget_spend AS p
            WHERE p.tenant_id = b.tenant_id AND p.budget = b.id), 0) AS spent,
        coalesce((SELECT sum(r.amount) FROM aeterna.budget_reservation AS r
            WHERE r.tenant_id = b.tenant_id AND r.state = 'open'), 0) AS open
    FROM aeterna.budget AS b JOIN aeterna.budget_state AS s USING (tenant_id, id)
    WHERE b.tenant_id = $1
"""
_EXPIRE = "SELECT aeterna.apply_budgets($1, 1, '[]', 'bench', '')"


@dataclass
class Watch:
    """What the database says while others spend, seen again and again from outside."""

    superuser: asyncpg.Connection
    tenant: str
    most: Decimal = Decimal(0)  # units over the budget, spent and reserved
    unequal: int = 0  # times that what is held was not the sum of the open reservations
    looks: int = 0
    free: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> asyncpg.Record:
        async with self.free:
            row = await self.superuser.fetchrow(_TOTALS, self.tenant)
        assert row is not None
        self.most = max(self.most, row["spent"] + row["held"] - row["amount"])
        self.unequal += row["held"] != row["open"]
        self.looks += 1
        return row

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.02)


@dataclass
class Outcome:
    """Of a budget that was too small."""

    told: Told
    watch: Watch
    limit: int
    spent: float = 0
    leaked: float = 0

    @property
    def over(self) -> float:
        """Units beyond the budget, as the database or those who settled see it."""
        return max(float(self.watch.most), self.told.settled - self.limit, 0.0)

    @property
    def lost(self) -> float:
        """Units that were settled for good, and are not in the books."""
        return max(0.0, self.told.settled - self.spent)


async def run(*, quick: bool) -> Report:
    """Latency, then never over."""
    seconds, kills = (4.0, 3) if quick else (20.0, 20)
    async with open_stack() as stack:
        calm = {name: await _calm(stack, name, seconds) for name in _WAYS}
        tight = {name: await _tight(stack, name, kills) for name in _WAYS}
    return _report(calm, tight, seconds)


async def _calm(stack: Stack, way: str, seconds: float) -> Told:
    tenant = f"roomy-{way}"
    await stack.add_tenants([tenant])
    await add_budget(stack, tenant, _PLENTY)
    async with open_crowd(_task(stack, tenant, way), PROCESSES) as crowd:
        await crowd.ready()
        await asyncio.sleep(2 * _CALL)
        crowd.told.granted.clear()
        await asyncio.sleep(seconds)
        await crowd.stop()
    return crowd.told


async def _tight(stack: Stack, way: str, kills: int) -> Outcome:
    tenant, limit = f"tight-{way}", 150 * kills
    await stack.add_tenants([tenant])
    await add_budget(stack, tenant, limit)
    async with stack.superuser() as superuser, watching(superuser, tenant) as watch:
        async with open_crowd(_task(stack, tenant, way), PROCESSES) as crowd:
            await _kill(crowd, kills)
            await crowd.exhausted()
            await crowd.stop(kill=True)
        outcome = Outcome(crowd.told, watch, limit)
        await asyncio.sleep(_LEASE + 0.2)
        async with watch.free:
            await superuser.execute(_EXPIRE, tenant)
        row = await watch.look()
        outcome.spent, outcome.leaked = float(row["spent"]), float(row["held"])
    return outcome


async def _kill(crowd: Crowd, kills: int) -> None:
    rng = random.Random()
    await crowd.ready()
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        await crowd.kill_one(rng)


@asynccontextmanager
async def watching(superuser: asyncpg.Connection, tenant: str) -> AsyncIterator[Watch]:
    """Looks while the block runs, at its beginning and when asked."""
    watch = Watch(superuser, tenant)
    await watch.look()
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def add_budget(stack: Stack, tenant: str, units: int) -> None:
    """For a tenant of the stack."""
    async with stack.superuser() as superuser:
        await put_budget(superuser, tenant, units)


async def put_budget(superuser: asyncpg.Connection, tenant: str, units: int) -> None:
    """A month's budget of so many units, that blocks."""
    await superuser.execute(_ADD, tenant, "all", Decimal(units), CURRENCY)
    await superuser.execute(_ADD_STATE, tenant, "all")


def _task(stack: Stack, tenant: str, way: str) -> Task:
    server = PostgresServer(stack.folder / "postgres/socket")
    dsn = server.dsn(DATABASE, SERVICE_ROLE)
    return Task(dsn, SERVICE_ROLE, None, tenant, RESERVERS, _LEASE, _CALL, way == _ALLOTTED)


def _report(calm: Mapping[str, Told], tight: Mapping[str, Outcome], seconds: float) -> Report:
    latency = [_latency(way, told.granted, seconds) for way, told in calm.items()]
    safety = [_safety(way, outcome) for way, outcome in tight.items()]
    allotted, outcomes = calm[_ALLOTTED].granted, list(tight.values())
    summary = {
        "reserve_p50_ms": round(quantile(allotted, 0.5), 3),
        "reserve_p99_ms": round(quantile(allotted, 0.99), 3),
        "durable_reserve_p50_ms": round(quantile(calm[_DURABLE].granted, 0.5), 3),
        "durable_reserve_p99_ms": round(quantile(calm[_DURABLE].granted, 0.99), 3),
        "reservations_per_second": round(len(allotted) / seconds, 1),
        "processes": PROCESSES,
        "reservers": PROCESSES * RESERVERS,
        "kills": sum(each.told.kills for each in outcomes),
        "budget_units": sum(each.limit for each in outcomes),
        "spent_units": sum(each.spent for each in outcomes),
        "units_over": sum(each.over for each in outcomes),
        "units_leaked": sum(each.leaked for each in outcomes),
        "units_lost": sum(each.lost for each in outcomes),
        "unequal": sum(each.watch.unequal for each in outcomes),
    }
    looks = sum(each.watch.looks for each in outcomes)
    facts = [
        "Each reserver asks for 1 to 5 units, calls for 0.25 to 0.5 s, then settles (4 of 5) or"
        " releases. What is settled is durable when it is answered; fsync is on.",
        "Allotted: how the services pay for their own calls. Durable: ReserveBudget of outside"
        " users, whose reservation is a row that any process settles.",
        f"Spent and reserved were compared with the budget {looks:,} times meanwhile; unequal: how"
        " often the sum of reservations was another than what is held.",
        f"Leases of {_LEASE:g} s. Leaked: units still held once those of the killed are over.",
    ]
    sections = [Section("Latency", latency), Section("Killed at random", safety)]
    return Report("budgets", "Budgets", sections, facts, summary)


def _latency(way: str, taken: Sequence[float], seconds: float) -> Row:
    return {
        "way": way,
        "processes x reservers": f"{PROCESSES} x {RESERVERS}",
        "reservations/s": len(taken) / seconds,
        "p50, ms": quantile(taken, 0.5),
        "p99, ms": quantile(taken, 0.99),
        "most, ms": max(taken, default=0.0),
        "goal": "p99 < 10 ms" if way == _ALLOTTED else "",
    }


def _safety(way: str, outcome: Outcome) -> Row:
    return {
        "way": way,
        "budget, units": float(outcome.limit),
        "kills": float(outcome.told.kills),
        "granted": float(len(outcome.told.granted)),
        "refused": float(len(outcome.told.refused)),
        "settled for sure": outcome.told.settled,
        "spent": outcome.spent,
        "over": outcome.over,
        "leaked": outcome.leaked,
        "lost": outcome.lost,
    }
