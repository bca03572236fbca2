"""What was used and what it cost, in PostgreSQL: hours, and the events that are in none yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.service.rounds import TenantRounds, answering
from libs.spine import read, writing
from libs.tenancy import Route
from libs.tenancy.directory import Directory

DIMENSIONS = ("service", "kind", "model", "org_id", "team_id", "project_id")
_UNITS = {"hour", "day", "month"}
_LINES = """
    SELECT h.hour AS at, h.service, h.kind, h.model, h.org_id, h.team_id, h.project_id, h.currency,
        h.quantity, h.unpriced, h.amount, h.events
    FROM aeterna.usage_hour AS h WHERE h.tenant_id = $1 AND h.hour >= $2 AND h.hour < $3
    UNION ALL
    SELECT date_trunc('hour', e.used_at, 'UTC'), e.service, e.kind, e.model, e.org_id, e.team_id,
        e.project_id, e.currency, e.quantity,
        CASE WHEN e.amount IS NULL THEN e.quantity ELSE 0 END, coalesce(e.amount, 0), 1
    FROM aeterna.usage_state AS s JOIN aeterna.usage_event AS e
        ON e.tenant_id = s.tenant_id AND e.number > s.rolled_number
    WHERE s.tenant_id = $1 AND e.used_at >= $2 AND e.used_at < $3
"""
_SUMS = f"""
    SELECT {{start}} AS start, {{names}} currency, sum(amount) AS amount, sum(quantity) AS quantity,
        sum(unpriced) AS unpriced, sum(events)::bigint AS records
    FROM ({_LINES}) AS l WHERE true{{where}}
    GROUP BY {{start}}, {{names}} currency
"""
_PAGE = f"{_SUMS} ORDER BY {{start}}, {{names}} currency LIMIT $4 OFFSET $5"
_TOP = f"{_SUMS} ORDER BY sum(amount) DESC, sum(unpriced) DESC, {{names}} currency LIMIT $4"
_DAYS = f"""
    SELECT date_trunc('day', at, 'UTC') AS start, sum(amount) AS amount, sum(unpriced) AS unpriced
    FROM ({_LINES}) AS l WHERE currency = $4{{where}} GROUP BY 1 ORDER BY 1
"""
_WHOM = "SELECT * FROM aeterna.tenants_with_usage()"
_BATCH = 20_000  # events that become hours at a time, and that are forgotten
_ROLL = """
    WITH taken AS (
        SELECT e.* FROM aeterna.usage_state AS s JOIN aeterna.usage_event AS e
            ON e.tenant_id = s.tenant_id AND e.number > s.rolled_number
            AND e.number <= s.rolled_number + $2
        WHERE s.tenant_id = $1
    ), hours AS (
        INSERT INTO aeterna.usage_hour AS h (tenant_id, hour, service, kind, model, org_id, team_id,
            project_id, currency, quantity, unpriced, amount, events)
        SELECT $1, date_trunc('hour', t.used_at, 'UTC'), t.service, t.kind, t.model, t.org_id,
            t.team_id, t.project_id, t.currency, sum(t.quantity),
            coalesce(sum(t.quantity) FILTER (WHERE t.amount IS NULL), 0),
            coalesce(sum(t.amount), 0), count(*)
        FROM taken AS t GROUP BY 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (tenant_id, hour, service, kind, model, org_id, team_id, project_id, currency)
        DO UPDATE SET quantity = h.quantity + excluded.quantity,
            unpriced = h.unpriced + excluded.unpriced, amount = h.amount + excluded.amount,
            events = h.events + excluded.events
    )
    UPDATE aeterna.usage_state SET rolled_number = (SELECT max(number) FROM taken)
    WHERE tenant_id = $1 AND EXISTS (SELECT FROM taken)
    RETURNING (SELECT count(*) FROM taken)
"""
_FORGET = """
    DELETE FROM aeterna.usage_event WHERE tenant_id = $1 AND number IN (
        SELECT e.number FROM aeterna.usage_state AS s JOIN aeterna.usage_event AS e
            ON e.tenant_id = s.tenant_id AND e.number <= s.rolled_number
        WHERE s.tenant_id = $1 AND e.used_at < now() - $2::interval ORDER BY e.number LIMIT $3)
"""
_FORGET_RESERVATIONS = """
    DELETE FROM aeterna.budget_reservation WHERE tenant_id = $1 AND id IN (
        SELECT id FROM aeterna.budget_reservation
        WHERE tenant_id = $1 AND ended_at < now() - interval '1 day' ORDER BY ended_at LIMIT $2)
"""
_FORGET_SPENDING = """
    DELETE FROM aeterna.budget_spend WHERE tenant_id = $1 AND bucket < now() - interval '400 days'
"""


class Asked(NamedTuple):
    """What costs are asked for; `since` and `until` are whole hours."""

    since: datetime
    until: datetime
    where: Sequence[Comparison] = ()


class Day(NamedTuple):
    """What a day has cost, and how much of what was used in it has no price."""

    day: date
    amount: Decimal
    unpriced: Decimal


@dataclass(frozen=True)
class PostgresCosts:
    """Every method raises StoreUnavailable when the shard cannot be reached."""

    async def sums(
        self, route: Route, asked: Asked, unit: str, names: Sequence[str], limit: int, offset: int
    ) -> list[asyncpg.Record]:
        """By time ("" for all together) and `names`, in their order."""
        sql, values = _statement(_PAGE, asked, unit, names, 6)
        return await read(route, sql, asked.since, asked.until, limit, offset, *values)

    async def top(self, route: Route, asked: Asked, name: str, limit: int) -> list[asyncpg.Record]:
        """The dearest first."""
        sql, values = _statement(_TOP, asked, "", [name], 5)
        return await read(route, sql, asked.since, asked.until, limit, *values)

    async def days(self, route: Route, asked: Asked, currency: str) -> list[Day]:
        """Those on which something was used, oldest first."""
        where, values = to_sql(asked.where, 5)
        sql = _DAYS.format(where=where)
        rows = await read(route, sql, asked.since, asked.until, currency, *values)
        return [Day(row["start"].date(), row["amount"], row["unpriced"]) for row in rows]


def _statement(
    template: str, asked: Asked, unit: str, names: Sequence[str], first: int
) -> tuple[str, list[object]]:
    """Names and units come from our own code, never from a request."""
    assert set(names) <= set(DIMENSIONS)
    assert not unit or unit in _UNITS
    start = f"date_trunc('{unit}', at, 'UTC')" if unit else "$2::timestamptz"
    where, values = to_sql(asked.where, first)
    listed = "".join(f"{name}, " for name in names)
    return template.format(start=start, names=listed, where=where), values


@dataclass(frozen=True)
class Rollup:
    """Adds events up by the hour, each exactly once: the hours and how far they go are one write.
    Then forgets what need not be kept."""

    keep: timedelta

    async def __call__(self, route: Route) -> None:
        """Until nothing is left."""
        while True:
            async with writing(route, durable=False) as write:
                rolled = await write.conn.fetchval(_ROLL, route.tenant, _BATCH) or 0
                await write.conn.execute(_FORGET, route.tenant, self.keep, _BATCH)
                await write.conn.execute(_FORGET_RESERVATIONS, route.tenant, _BATCH)
                await write.conn.execute(_FORGET_SPENDING, route.tenant)
            if rolled < _BATCH:
                return

    def rounds(self, directory: Directory, interval: timedelta) -> TenantRounds:
        """For those who have used something."""
        return TenantRounds("usage.rollup", directory, answering(_WHOM), self, interval)
