"""What services ask and note under the tenant's lock."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.approvals import SCOPE_IDS, Approved, Config, Configured, Gate, Kind
from libs.changes import Change, Operation, Origin
from libs.scope import Scope
from libs.spine import Write, read, writing
from libs.tenancy import Route

_SCOPE = ", ".join(SCOPE_IDS)
_CONFIGURED = f"SELECT {_SCOPE}, config, version FROM aeterna.approval_config WHERE tenant_id = $1"
_APPROVED_COLUMNS = """
    r.id, r.target, r.target_version AS version, r.org_id, r.team_id, r.project_id, ARRAY(
        SELECT d.approver FROM aeterna.approval_decision AS d
        WHERE d.tenant_id = $1 AND d.request_id = r.id AND d.approves ORDER BY d.created_at
    ) AS approvers
"""
_APPROVED = f"""
    SELECT {_APPROVED_COLUMNS} FROM aeterna.approval_request AS r
    WHERE r.tenant_id = $1 AND r.kind = $2 AND r.state = 'approved' AND r.target = ANY($3::text[])
    ORDER BY r.id
"""
_TO_APPLY = f"""
    SELECT {_APPROVED_COLUMNS} FROM aeterna.approval_request AS r
    WHERE r.tenant_id = $1 AND r.kind = $2 AND r.apply_at <= now() ORDER BY r.id LIMIT 100
"""
_END = """
    UPDATE aeterna.approval_request SET state = $3, error = $4, apply_at = NULL, number = $5,
        updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2 AND state = 'approved'
"""
_IS_APPROVED = """
    SELECT true FROM aeterna.approval_request
    WHERE tenant_id = $1 AND id = $2 AND state = 'approved'
"""


async def gate(write: Write, kind: Kind, targets: Sequence[str]) -> Gate:
    """What needs approval, and what of these resources was approved."""
    tenant = write.route.tenant
    configured = await write.conn.fetch(_CONFIGURED, tenant)
    rows = await write.conn.fetch(_APPROVED, tenant, kind.value, list(targets))
    return Gate(kind, list(map(configured_from, configured)), list(map(_approved, rows)))


async def to_apply(route: Route, kind: Kind) -> list[Approved]:
    """Approved requests of a kind that wait for their service, oldest first."""
    return [_approved(row) for row in await read(route, _TO_APPLY, kind.value)]


async def applied(write: Write, request: UUID, origin: Origin) -> None:
    """Notes that an approved request was carried out by this very write."""
    await _end(write, request, origin, "applied", "")


async def failed(route: Route, request: UUID, origin: Origin, reason: str) -> None:
    """Notes that an approved request cannot be carried out, unless it was meanwhile."""
    async with writing(route) as write:
        if await write.conn.fetchval(_IS_APPROVED, route.tenant, request):
            await _end(write, request, origin, "failed", reason)


async def _end(write: Write, request: UUID, origin: Origin, state: str, reason: str) -> None:
    resource = f"approvalRequests/{request}"
    event = f"approval.{state}"
    number = await write.append([Change(resource, Operation.UPDATED, origin, event=event)])
    write.add(_END, request, state, reason, number)


def configured_from(row: Any) -> Configured:
    """A configuration from a row with its columns."""
    scope = Scope(**{name: row[name] for name in SCOPE_IDS})
    return Configured(scope, Config.from_json(json.loads(row["config"])), row["version"])


def _approved(row: Any) -> Approved:
    scope = Scope(**{name: row[name] for name in SCOPE_IDS})
    return Approved(row["id"], row["target"], row["version"], scope, tuple(row["approvers"]))
