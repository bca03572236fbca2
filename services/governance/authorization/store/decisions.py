"""Decisions that were made, as every service has kept them."""

import json
from collections.abc import Sequence
from datetime import datetime

from libs.spine import read
from libs.tenancy import Route
from services.governance.authorization.ports import Recorded

# The answers to one question are one row here, whatever they were.
_RECORDED = """
    SELECT question, sum(asked)::bigint AS asked, max(last_at) AS last_at, min(hour) AS hour
    FROM aeterna.decision
    WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR hour >= date_trunc('hour', $2, 'UTC'))
        AND ($3::timestamptz IS NULL OR hour < $3)
    GROUP BY question ORDER BY max(last_at) DESC LIMIT $4
"""


class PostgresDecisions:
    """`Decisions` in PostgreSQL."""

    async def recorded(
        self, route: Route, since: datetime | None, until: datetime | None, limit: int
    ) -> Sequence[Recorded]:
        rows = await read(route, _RECORDED, since, until, limit)
        return [
            Recorded(json.loads(row["question"]), row["asked"], row["last_at"], row["hour"])
            for row in rows
        ]
