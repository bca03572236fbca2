"""Budgets as rows, without governance."""

from decimal import Decimal
from typing import Any

from libs.spine import read, writing
from libs.tenancy import Route

_ADD = """
    INSERT INTO aeterna.budget (tenant_id, id, org_id, team_id, project_id, model, period,
        window_hours, amount, currency, thresholds, action, calls_per_minute, version, number,
        created_at, updated_at)
    VALUES ($1, $2, '', '', $3, '', 'month', 0, $4, 'USD', '{80,90,100}', $5, 6, 1, 1, now(), now())
"""
_ADD_STATE = "INSERT INTO aeterna.budget_state (tenant_id, id) VALUES ($1, $2)"
_STANDING = """
    SELECT b.id, b.amount, s.held, aeterna.budget_spent(b, now()) AS spent,
        coalesce((SELECT sum(r.amount) FROM aeterna.budget_reservation AS r
            WHERE r.tenant_id = $1 AND r.state = 'open' AND b.id = ANY (r.budgets)), 0) AS open
    FROM aeterna.budget AS b JOIN aeterna.budget_state AS s USING (tenant_id, id)
    WHERE b.tenant_id = $1 ORDER BY b.id
"""


async def add_budget(
    route: Route, label: str, limit: int | str, *, project: str = "", action: str = "block"
) -> None:
    async with writing(route) as write:
        await write.conn.execute(_ADD, route.tenant, label, project, Decimal(limit), action)
        await write.conn.execute(_ADD_STATE, route.tenant, label)


async def standing(route: Route) -> dict[str, tuple[Any, Any]]:
    """What is spent and held of each budget; what is held is the sum of its open reservations, and
    neither of them is more than there is."""
    rows = await read(route, _STANDING)
    for row in rows:
        assert row["held"] == row["open"], dict(row)
        assert row["spent"] + row["held"] <= row["amount"], dict(row)
    return {row["id"]: (row["spent"], row["held"]) for row in rows}
