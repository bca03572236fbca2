"""What governance itself can tell of a person: rows of the shard that name them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.encryption.keyring import Keyring, Sealed
from libs.encryption.registry import (
    APPROVAL_COMMENT,
    APPROVAL_DESCRIPTION,
    APPROVAL_TITLE,
    Field,
)
from libs.exports import Page
from libs.spine import read
from libs.tenancy import Route
from services.governance.erasure.domain import escaped

_PAGE = 500


@dataclass(frozen=True)
class Rows:
    """The lines of a file.

    Attributes:
        sql: $2 is the person, $3 the actor `user:...`, $4 a number, after which to begin, $5 how
            many; each row has its `number`.
        sealed: What is opened, by columns; the row has the `id` that it is sealed to, which is not
            told.
    """

    file: str
    sql: str
    sealed: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True)
class RowSource:
    """`Source` of rows."""

    rows: Rows
    keyring: Keyring

    @property
    def file(self) -> str:
        """See `Source`."""
        return self.rows.file

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        actor = f"user:{escaped(subject)}"
        rows = await read(route, self.rows.sql, subject, actor, int(after or 0), _PAGE)
        lines = [_line(each) for each in await self._opened(route, list(map(dict, rows)))]
        return Page(lines, str(rows[-1]["number"]) if len(rows) == _PAGE else "")

    async def _opened(self, route: Route, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        fields = self.rows.sealed
        if not fields:
            return rows
        ids = [row.pop("id") for row in rows]
        sealed = [
            Sealed(fields[name], identity, row[name])
            for row, identity in zip(rows, ids, strict=True)
            for name in fields
        ]
        texts = iter(await self.keyring.open(route, sealed))
        return [{**row, **{name: next(texts).decode() for name in fields}} for row in rows]


_CONSENTS = Rows(
    "consents.ndjson",
    """SELECT number, purpose, granted, expires_at, actor, happened_at FROM aeterna.consent_event
    WHERE tenant_id = $1 AND subject = $2 AND $3 <> '' AND number > $4 ORDER BY number LIMIT $5""",
)
_CHANGES = Rows(
    "changes.ndjson",
    """SELECT number, resource, operation, actor, subject, layer, event, committed_at
    FROM aeterna.change
    WHERE tenant_id = $1 AND (subject = $2 OR $3 = ANY(string_to_array(actor, ' for ')))
        AND number > $4 ORDER BY number LIMIT $5""",
)
_FEEDBACK = Rows(
    "feedback.ndjson",
    """SELECT number, memory, feedback FROM (
        SELECT row_number() OVER (ORDER BY memory_id) AS number,
            'memories/' || memory_id AS memory, feedback
        FROM aeterna.memory_feedback WHERE tenant_id = $1 AND person = $3 AND $2 <> ''
    ) AS f WHERE number > $4 ORDER BY number LIMIT $5""",
)
_ROLES = Rows(
    "roles.ndjson",
    """SELECT number, role, org_id, team_id, project_id, expires_at, created_at
    FROM aeterna.role_binding
    WHERE tenant_id = $1 AND user_id = $2 AND $3 <> '' AND number > $4 ORDER BY number LIMIT $5""",
)
_AGENTS = Rows(
    "agents.ndjson",
    """SELECT number, 'agents/' || id AS agent, capabilities, max_depth, state, expires_at,
        created_at, updated_at FROM aeterna.agent
    WHERE tenant_id = $1 AND owner = $2 AND $3 <> '' AND number > $4 ORDER BY number LIMIT $5""",
)
_REQUESTS = Rows(
    "approval-requests.ndjson",
    """SELECT number, id, 'approvalRequests/' || id AS request, kind, target, state, title,
        description, created_at FROM (
        SELECT row_number() OVER (ORDER BY id) AS number, id, kind, target, state, title,
            description, created_at
        FROM aeterna.approval_request WHERE tenant_id = $1 AND requester = $2 AND $3 <> ''
    ) AS r WHERE number > $4 ORDER BY number LIMIT $5""",
    {"title": APPROVAL_TITLE, "description": APPROVAL_DESCRIPTION},
)
_DECISIONS = Rows(
    "approval-decisions.ndjson",
    """SELECT number, id, 'approvalRequests/' || request_id AS request, approves, comment,
        created_at FROM (
        SELECT row_number() OVER (ORDER BY id) AS number, id, request_id, approves, comment,
            created_at
        FROM aeterna.approval_decision WHERE tenant_id = $1 AND approver = $2 AND $3 <> ''
    ) AS d WHERE number > $4 ORDER BY number LIMIT $5""",
    {"comment": APPROVAL_COMMENT},
)
_ALL = (_CONSENTS, _CHANGES, _FEEDBACK, _ROLES, _AGENTS, _REQUESTS, _DECISIONS)


def own_sources(keyring: Keyring) -> list[RowSource]:
    """All that governance has of a person."""
    return [RowSource(rows, keyring) for rows in _ALL]


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_text).encode() + b"\n"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
