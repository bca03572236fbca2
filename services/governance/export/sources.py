"""What governance itself can tell of a person: rows of the shard that name them."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.exports import Page
from libs.spine import read
from libs.tenancy import Route
from services.governance.erasure.domain import escaped

_PAGE = 500


@dataclass(frozen=True)
class Rows:
    """`Source` of the rows of a statement.

    Attributes:
        sql: $2 is the person, $3 the actor `user:...`, $4 a number, after which to begin, $5 how
            many; each row has its `number` first.
    """

    file: str
    sql: str

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        actor = f"user:{escaped(subject)}"
        rows = await read(route, self.sql, subject, actor, int(after or 0), _PAGE)
        lines = [_line(dict(row)) for row in rows]
        return Page(lines, str(rows[-1]["number"]) if len(rows) == _PAGE else "")


CONSENTS = Rows(
    "consents.ndjson",
    """SELECT number, purpose, granted, expires_at, actor, happened_at FROM aeterna.consent_event
    WHERE tenant_id = $1 AND subject = $2 AND $3 <> '' AND number > $4 ORDER BY number LIMIT $5""",
)
CHANGES = Rows(
    "changes.ndjson",
    """SELECT number, resource, operation, actor, subject, layer, event, committed_at
    FROM aeterna.change
    WHERE tenant_id = $1 AND (subject = $2 OR $3 = ANY(string_to_array(actor, ' for ')))
        AND number > $4 ORDER BY number LIMIT $5""",
)
FEEDBACK = Rows(
    "feedback.ndjson",
    """SELECT number, memory, feedback FROM (
        SELECT row_number() OVER (ORDER BY memory_id) AS number,
            'memories/' || memory_id AS memory, feedback
        FROM aeterna.memory_feedback WHERE tenant_id = $1 AND person = $3 AND $2 <> ''
    ) AS f WHERE number > $4 ORDER BY number LIMIT $5""",
)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_text).encode() + b"\n"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
