"""Rows of approvals: columns, and what stands in them, both ways."""

from collections.abc import Sequence
from typing import Any

from libs.approvals import SCOPE_IDS, Kind, Mode, Risk, State
from libs.auth import Role
from libs.scope import Scope
from services.governance.approvals.domain import Approval, Asking, Decision, Delegation
from services.governance.approvals.ports import Stored, Texts

REQUEST = (
    "id",
    "kind",
    "target",
    "target_version",
    *SCOPE_IDS,
    "risk",
    "requester",
    "agent",
    "payload_digest",
    "excluded",
    "mode",
    "needed",
    "approvers",
    "roles",
    "escalation_roles",
    "escalated",
    "state",
    "error",
    "escalates_at",
    "expires_at",
    "due_at",
    "apply_at",
    "created_at",
    "updated_at",
    "ended_at",
)
MUTABLE = ("escalated", "state", "error", "due_at", "apply_at", "updated_at", "ended_at")


def values_of(approval: Approval) -> dict[str, Any]:
    """What stands in the columns of REQUEST."""
    asking = approval.asking
    return {
        "id": approval.id,
        "kind": asking.kind.value,
        "target": asking.target,
        "target_version": asking.version,
        **{name: getattr(asking.scope, name) for name in SCOPE_IDS},
        "risk": asking.risk.value,
        "requester": asking.requester,
        "agent": asking.agent,
        "payload_digest": asking.digest,
        "excluded": sorted(approval.excluded),
        "mode": approval.mode.value,
        "needed": approval.needed,
        "approvers": sorted(approval.approvers),
        "roles": sorted(approval.roles),
        "escalation_roles": sorted(approval.escalation_roles),
        "escalated": approval.escalated,
        "state": approval.state.value,
        "error": approval.error,
        "escalates_at": approval.escalates_at,
        "expires_at": approval.expires_at,
        "due_at": approval.due_at,
        "apply_at": approval.apply_at,
        "created_at": approval.created_at,
        "updated_at": approval.updated_at,
        "ended_at": approval.ended_at,
    }


def approval_from(row: Any, decisions: Sequence[Any]) -> Approval:
    """A request from its row and the rows of its decisions."""
    return Approval(
        id=row["id"],
        asking=Asking(
            kind=Kind(row["kind"]),
            target=row["target"],
            version=row["target_version"],
            scope=Scope(**{name: row[name] for name in SCOPE_IDS}),
            risk=Risk(row["risk"]),
            requester=row["requester"],
            agent=row["agent"],
            digest=row["payload_digest"],
        ),
        excluded=frozenset(row["excluded"]),
        mode=Mode(row["mode"]),
        needed=row["needed"],
        approvers=frozenset(row["approvers"]),
        roles=frozenset(map(Role, row["roles"])),
        escalation_roles=frozenset(map(Role, row["escalation_roles"])),
        escalated=row["escalated"],
        state=State(row["state"]),
        error=row["error"],
        escalates_at=row["escalates_at"],
        expires_at=row["expires_at"],
        due_at=row["due_at"],
        apply_at=row["apply_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        decisions=tuple(
            Decision(each["approver"], each["holder"], each["approves"], each["created_at"])
            for each in decisions
        ),
    )


def stored_from(row: Any, decisions: Sequence[Any]) -> Stored:
    """A request with its number and what is sealed."""
    comments = tuple((each["id"], each["comment"]) for each in decisions)
    texts = Texts(row["title"], row["description"], comments)
    return Stored(approval_from(row, decisions), row["year"], row["serial"], texts)


def delegation_from(row: Any) -> Delegation:
    """A delegation from its row."""
    return Delegation(
        id=row["id"],
        holder=row["holder"],
        delegate=row["delegate"],
        roles=frozenset(map(Role, row["roles"])),
        kinds=frozenset(map(Kind, row["kinds"])),
        scope=Scope(**{name: row[name] for name in SCOPE_IDS}),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
