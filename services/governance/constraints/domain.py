"""Which changes of policies are refused, and what each does. Pure: the spine loads and saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.changes import Operation, Step
from libs.constraints import BINDING, POLICY_IDS, Layer, Merge, Mode
from libs.constraints.standing import check_room
from libs.constraints.stored import PolicyNotFound, Stored
from libs.errors import FieldViolation, InvalidRequest
from libs.scope import SCOPE_IDS, Scope
from services.governance.constraints.errors import (
    PoliciesChanged,
    PolicyExists,
    PolicyOfItem,
    PolicyVersionMismatch,
)

Seen = frozenset[tuple[UUID, int]]  # policies and versions that a change was judged beside


@dataclass(frozen=True, slots=True)
class Create:
    """Store a new policy."""

    policy: Stored
    seen: Seen


@dataclass(frozen=True, slots=True)
class Update:
    """Replace what a policy says."""

    id: UUID
    etag: str  # expected; "" for any
    seen: Seen
    mode: Mode
    merge: Merge
    rules: int  # how many
    document: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a policy."""

    id: UUID
    etag: str


Body = Create | Update | Delete


def etag_of(version: int) -> str:
    """The etag of a version (AIP-154)."""
    return f'"{version}"'


def targets(body: Body) -> Sequence[UUID]:
    """The policy that a command is about; all others are loaded with it."""
    return (body.policy.id if isinstance(body, Create) else body.id,)


def decide(current: Mapping[UUID, Stored], body: Body) -> list[Step[Stored]]:
    """The step of a command.

    Raises:
        PoliciesChanged, PolicyExists, TooManyPolicies, TooManyRules, PolicyNotFound,
            PolicyVersionMismatch, PolicyOfItem: It is refused.
    """
    match body:
        case Create(policy, seen):
            _check_seen(current, seen)
            _check_room(current, policy)
            check_room(current.values(), policy)
            return [Step(Operation.CREATED, None, policy)]
        case Update():
            before = changeable(current, body.id, body.etag)
            _check_seen(current, body.seen)
            after = replace(
                before,
                mode=body.mode,
                merge=body.merge,
                rules=body.rules,
                document=body.document,
                version=before.version + 1,
                updated_at=body.at,
            )
            check_room(current.values(), after)
            return [Step(Operation.UPDATED, before, after)]
        case Delete():
            return [Step(Operation.DELETED, changeable(current, body.id, body.etag), None)]


def changeable(current: Mapping[UUID, Stored], policy: UUID, etag: str) -> Stored:
    """The policy, if it may be changed."""
    found = current.get(policy)
    if found is None:
        raise PolicyNotFound(policy)
    if found.source is not None:
        raise PolicyOfItem(policy, found.source)
    if etag not in ("", etag_of(found.version)):
        raise PolicyVersionMismatch(policy, etag_of(found.version))
    return found


def seen(policies: Sequence[Stored]) -> Seen:
    """What a change is judged beside."""
    return frozenset((each.id, each.version) for each in policies)


def check_scope(layer: Layer, scope: Scope, field: str) -> None:
    """Raises InvalidRequest for a scope, at path `field`, that the layer needs more of, or that
    says more than a policy can be bound to."""
    scope.demand(BINDING[layer][:1], layer, field)
    extra = [name for name in SCOPE_IDS if name not in BINDING[layer] and getattr(scope, name)]
    if extra:
        message = f"must be empty in layer {layer}"
        raise InvalidRequest([FieldViolation(f"{field}.{name}", message) for name in extra])


def _check_seen(current: Mapping[UUID, Stored], expected: Seen) -> None:
    if seen(list(current.values())) != expected:
        raise PoliciesChanged


def _check_room(current: Mapping[UUID, Stored], policy: Stored) -> None:
    for other in current.values():
        if _place(other) == _place(policy):
            raise PolicyExists(other.id)


def _place(policy: Stored) -> tuple[str, ...]:
    return policy.key, policy.layer, *(getattr(policy.scope, name) for name in POLICY_IDS)
