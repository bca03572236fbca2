"""Budgets in PostgreSQL. Beside them stand what was spent and what is held: see libs.usage."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from libs.changes import Asked, Change, Operation
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.usage import Attribution
from libs.usage.budgets import COLLECTION
from libs.usage.errors import ReservationNotFound
from libs.wakeups import Wakeups
from services.governance.budgets.domain import Action, Budget, Period, Standing
from services.governance.budgets.errors import (
    BudgetAlreadyExists,
    BudgetNotFound,
    TooManyBudgets,
)

MOST = 100  # budgets of a tenant
_COLUMNS = """
    id, org_id, team_id, project_id, model, period, window_hours, amount, currency, thresholds,
    action, calls_per_minute, version, number, created_at, updated_at
"""
_GET = f"SELECT {_COLUMNS} FROM aeterna.budget WHERE tenant_id = $1 AND id = $2"
_STANDING = """
    SELECT b.*, s.held, aeterna.budget_spent(b, now()) AS spent,
        aeterna.budget_since(b.period, b.window_hours, now()) AS since,
        coalesce((SELECT max(t) FROM unnest(b.thresholds) AS u (t)
            WHERE aeterna.budget_spent(b, now()) * 100 >= t * b.amount), 0) AS reached
    FROM aeterna.budget AS b JOIN aeterna.budget_state AS s USING (tenant_id, id)
    WHERE b.tenant_id = $1
"""
_ONE = f"{_STANDING} AND b.id = $2"
_PAGE = f'{_STANDING} AND b.id > $2 COLLATE "C" ORDER BY b.id LIMIT $3'
_COUNT = "SELECT count(*) FROM aeterna.budget WHERE tenant_id = $1"
_ADD = f"""
    INSERT INTO aeterna.budget (tenant_id, {_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now(), now())
"""
_ADD_STATE = "INSERT INTO aeterna.budget_state (tenant_id, id) VALUES ($1, $2)"
# What was used since its period began, from the hours and from the events that are in none yet.
_COUNT_BEFORE = """
    INSERT INTO aeterna.budget_spend (tenant_id, budget, bucket, spent)
    SELECT b.tenant_id, b.id, aeterna.budget_bucket(b.period, u.at), sum(u.amount)
    FROM aeterna.budget AS b, LATERAL (
        SELECT h.hour AS at, h.org_id, h.team_id, h.project_id, h.model, h.currency, h.amount
        FROM aeterna.usage_hour AS h
        WHERE h.tenant_id = b.tenant_id
          AND h.hour >= aeterna.budget_since(b.period, b.window_hours, now())
        UNION ALL
        SELECT e.used_at, e.org_id, e.team_id, e.project_id, e.model, e.currency, e.amount
        FROM aeterna.usage_state AS s JOIN aeterna.usage_event AS e
            ON e.tenant_id = s.tenant_id AND e.number > s.rolled_number
        WHERE s.tenant_id = b.tenant_id
          AND e.used_at >= aeterna.budget_since(b.period, b.window_hours, now())
    ) AS u
    WHERE b.tenant_id = $1 AND b.id = $2 AND u.amount > 0 AND u.currency = b.currency
      AND aeterna.budget_for(b, u.org_id, u.team_id, u.project_id, u.model)
    GROUP BY 1, 2, 3
"""
_NOTE = "SELECT aeterna.note_budgets(clock_timestamp(), $1, $2)"
_UPDATE = """
    UPDATE aeterna.budget SET amount = $3, thresholds = $4, action = $5, calls_per_minute = $6,
        version = $7, number = $8, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
_DELETE = "DELETE FROM aeterna.budget WHERE tenant_id = $1 AND id = $2"
_LET_GO = """
    UPDATE aeterna.budget_reservation SET budgets = array_remove(budgets, $2::text)
    WHERE tenant_id = $1 AND state = 'open' AND $2::text = ANY (budgets)
"""
_ASKED = """
    SELECT request->>3 AS org_id, request->>4 AS team_id, request->>5 AS project_id,
        request->>6 AS model
    FROM aeterna.budget_reservation
    WHERE tenant_id = $1 AND id = $2 AND jsonb_typeof(request) = 'array'
"""


@dataclass(frozen=True)
class PostgresBudgets:
    """Every method raises StoreUnavailable when the shard cannot be reached; those that write
    TenantMoved and TenantSuspended when it refuses the writer, and RequestIdReused."""

    wakeups: Wakeups

    async def get(self, route: Route, budget: str) -> Standing:
        """Raises BudgetNotFound."""
        rows = await read(route, _ONE, budget)
        if not rows:
            raise BudgetNotFound(budget)
        return _standing(rows[0])

    async def page(self, route: Route, after: str, limit: int) -> list[Standing]:
        """By id, those greater than `after`."""
        return [_standing(row) for row in await read(route, _PAGE, after, limit)]

    async def create(self, route: Route, asked: Asked, budget: Budget) -> Standing:
        """What was spent in its period counts. Raises BudgetAlreadyExists, TooManyBudgets."""

        async def make(write: Write) -> None:
            if await write.conn.fetchrow(_GET, route.tenant, budget.id):
                raise BudgetAlreadyExists(budget.id)
            if await write.conn.fetchval(_COUNT, route.tenant) >= MOST:
                raise TooManyBudgets(MOST)
            number = await _log(write, asked, budget.id, Operation.CREATED)
            made = replace(budget, number=number)
            await write.conn.execute(_ADD, route.tenant, *_row(made))
            await write.conn.execute(_ADD_STATE, route.tenant, budget.id)
            await write.conn.execute(_COUNT_BEFORE, route.tenant, budget.id)
            await _note(write, asked)

        await self._once(route, asked, make)
        return await self.get(route, budget.id)

    async def update(
        self, route: Route, asked: Asked, budget: str, expected: int, values: dict[str, Any]
    ) -> Standing:
        """Raises BudgetNotFound, BudgetVersionMismatch."""

        async def change(write: Write) -> None:
            current = await _current(write, budget)
            changed = current.changed(expected, values)
            number = await _log(write, asked, budget, Operation.UPDATED)
            await write.conn.execute(
                _UPDATE,
                route.tenant,
                budget,
                changed.limit,
                list(changed.thresholds),
                changed.action.value,
                changed.calls_per_minute,
                changed.version,
                number,
            )
            await _note(write, asked)

        await self._once(route, asked, change)
        return await self.get(route, budget)

    async def delete(self, route: Route, asked: Asked, budget: str, expected: int) -> None:
        """Raises BudgetNotFound, BudgetVersionMismatch."""

        async def remove(write: Write) -> None:
            (await _current(write, budget)).check(expected)
            await _log(write, asked, budget, Operation.DELETED)
            await write.conn.execute(_LET_GO, route.tenant, budget)
            await write.conn.execute(_DELETE, route.tenant, budget)

        await self._once(route, asked, remove)

    async def asked_for(self, route: Route, reservation: UUID) -> tuple[Attribution, str]:
        """Whom a reservation is for, and the model; raises ReservationNotFound."""
        rows = await read(route, _ASKED, reservation)
        if not rows:
            raise ReservationNotFound(reservation)
        row = rows[0]
        return Attribution(row["org_id"], row["team_id"], row["project_id"]), row["model"]

    async def _once(
        self, route: Route, asked: Asked, do: Callable[[Write], Awaitable[None]]
    ) -> None:
        """A repeat of the request does nothing."""
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answers.get(asked.request) is None:
                await do(write)
                answers.add(asked.request, {})
                answers.save(write)
        self.wakeups.publish(route.tenant)


async def _current(write: Write, budget: str) -> Budget:
    row = await write.conn.fetchrow(_GET, write.route.tenant, budget)
    if row is None:
        raise BudgetNotFound(budget)
    return _budget(row)


async def _log(write: Write, asked: Asked, budget: str, operation: Operation) -> int:
    return await write.append([Change(f"{COLLECTION}/{budget}", operation, asked.origin)])


async def _note(write: Write, asked: Asked) -> None:
    """What is spent may be beyond a threshold already."""
    await write.conn.execute(_NOTE, asked.origin.actor, asked.origin.trace_id)


def _row(budget: Budget) -> tuple[Any, ...]:
    return (
        budget.id,
        *budget.attribution,
        budget.model,
        budget.period.value,
        budget.window_hours,
        budget.limit,
        budget.currency,
        list(budget.thresholds),
        budget.action.value,
        budget.calls_per_minute,
        budget.version,
        budget.number,
    )


def _budget(row: asyncpg.Record) -> Budget:
    return Budget(
        id=row["id"],
        limit=row["amount"],
        currency=row["currency"],
        attribution=Attribution(row["org_id"], row["team_id"], row["project_id"]),
        model=row["model"],
        period=Period(row["period"]),
        window_hours=row["window_hours"],
        thresholds=row["thresholds"],
        action=Action(row["action"]),
        calls_per_minute=row["calls_per_minute"],
        version=row["version"],
        number=row["number"],
    )


def _standing(row: asyncpg.Record) -> Standing:
    spent: Decimal = row["spent"]
    created: datetime = row["created_at"]
    return Standing(
        _budget(row), spent, row["held"], row["since"], row["reached"], created, row["updated_at"]
    )
