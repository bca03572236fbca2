"""Approvals: which things need one in a scope, and what was approved. Pure.

Governance opens and decides requests. A service whose resources need approval asks, under the
tenant's lock, what `store.gate` knows, and marks what it applied in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from libs.auth.roles import Role
from libs.errors import AppError
from libs.errors import Kind as ErrorKind
from libs.scope import Scope

COLLECTION = "approvalRequests"
SCOPE_IDS = ("org_id", "team_id", "project_id")  # narrowest last
REVIEWERS = (Role.TECH_LEAD, Role.ARCHITECT, Role.ADMIN, Role.TENANT_ADMIN)
ADMINISTRATORS = (Role.ADMIN, Role.TENANT_ADMIN)


class Kind(StrEnum):
    """What a request is about."""

    POLICY = "policy"
    KNOWLEDGE = "knowledge"
    MEMORY = "memory"
    ROLE = "role"
    CONFIG = "config"


APPLIED_BY_SERVICES = frozenset({Kind.KNOWLEDGE})  # the others' requesters carry them out


class Mode(StrEnum):
    """How many have to approve."""

    SINGLE = "single"
    QUORUM = "quorum"
    UNANIMOUS = "unanimous"


class Risk(StrEnum):
    """How much may go wrong, as whoever asks says."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class State(StrEnum):
    """Where a request is in its life."""

    PENDING = "pending"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"  # approved, but it could not be applied


@dataclass(frozen=True, slots=True)
class Config:
    """How requests of a scope are decided.

    Attributes:
        required: Kinds of things that nothing but an approved request puts in force.
        quorum: How many have to approve, in mode quorum; how many there have to be, in unanimous.
        approvers: Who may, by name; none: whoever has one of the roles.
        escalate_after: None: never.
    """

    required: frozenset[Kind] = frozenset()
    mode: Mode = Mode.QUORUM
    quorum: int = 2
    approvers: tuple[str, ...] = ()
    roles: tuple[Role, ...] = REVIEWERS
    timeout: timedelta = timedelta(hours=72)
    escalate_after: timedelta | None = timedelta(hours=48)
    escalation_roles: tuple[Role, ...] = ADMINISTRATORS
    auto_approve_low_risk: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "required": sorted(self.required),
            "mode": self.mode,
            "quorum": self.quorum,
            "approvers": self.approvers,
            "roles": self.roles,
            "timeout": self.timeout.total_seconds(),
            "escalate_after": (
                None if self.escalate_after is None else self.escalate_after.total_seconds()
            ),
            "escalation_roles": self.escalation_roles,
            "auto_approve_low_risk": self.auto_approve_low_risk,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From what is stored."""
        escalate = values["escalate_after"]
        return cls(
            required=frozenset(map(Kind, values["required"])),
            mode=Mode(values["mode"]),
            quorum=values["quorum"],
            approvers=tuple(values["approvers"]),
            roles=tuple(map(Role, values["roles"])),
            timeout=timedelta(seconds=values["timeout"]),
            escalate_after=None if escalate is None else timedelta(seconds=escalate),
            escalation_roles=tuple(map(Role, values["escalation_roles"])),
            auto_approve_low_risk=values["auto_approve_low_risk"],
        )


class Preset(StrEnum):
    """Configurations that have a name."""

    STANDARD = "standard"
    STRICT = "strict"
    PERMISSIVE = "permissive"


PRESETS: Mapping[Preset, Config] = {
    Preset.STANDARD: Config(),
    Preset.STRICT: Config(
        mode=Mode.UNANIMOUS,
        quorum=3,
        timeout=timedelta(hours=24),
        escalate_after=timedelta(hours=12),
    ),
    Preset.PERMISSIVE: Config(
        mode=Mode.SINGLE,
        quorum=1,
        timeout=timedelta(hours=168),
        escalate_after=timedelta(hours=72),
        auto_approve_low_risk=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration and where it was made; version 0: the default, which nobody made."""

    scope: Scope = field(default_factory=Scope)
    config: Config = PRESETS[Preset.STANDARD]
    version: int = 0


def nearest(configured: Iterable[Configured], scope: Scope) -> Configured:
    """The configuration that counts in a scope: of those whose ids are the scope's own, the
    narrowest; a project's before a team's, whatever else they name."""
    here = [each for each in configured if applies(each.scope, scope)]
    return max(here, key=lambda each: _narrowness(each.scope), default=Configured())


def applies(bound: Scope, scope: Scope) -> bool:
    """Whether every id that is bound is the scope's own."""
    ids = bound.restrict(SCOPE_IDS)
    return all(getattr(scope, name) == value for name, value in ids.items())


def _narrowness(scope: Scope) -> tuple[bool, ...]:
    return tuple(bool(getattr(scope, name)) for name in reversed(SCOPE_IDS))


@dataclass(frozen=True, slots=True)
class Approved:
    """A request that was approved and not applied yet, and by whom."""

    id: UUID
    target: str
    version: int
    scope: Scope
    approvers: tuple[str, ...]  # in the order of their decisions; none: approved by configuration

    @property
    def resource(self) -> str:
        """Its name."""
        return f"{COLLECTION}/{self.id}"

    def is_of(self, scope: Scope) -> bool:
        """Whether it was decided by those who decide in this scope, and as is done there."""
        return self.scope.restrict(SCOPE_IDS) == scope.restrict(SCOPE_IDS)


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of approvals at one moment, of one kind of things."""

    kind: Kind
    configured: Sequence[Configured] = ()
    approved: Sequence[Approved] = ()

    def needs(self, scope: Scope) -> bool:
        """Whether a thing in this scope comes into force by an approved request only."""
        return self.kind in nearest(self.configured, scope).config.required

    def find(self, target: str, version: int, scope: Scope) -> Approved | None:
        """What was approved of a resource in this version, in the scope that it is in."""
        for each in self.approved:
            if (each.target, each.version) == (target, version) and each.is_of(scope):
                return each
        return None


class ApprovalRequired(AppError):
    """The tenant's configuration wants an approved request for this."""

    kind, reason = ErrorKind.PRECONDITION, "APPROVAL_REQUIRED"

    def __init__(self, kind: Kind, target: str, version: int) -> None:
        super().__init__(
            f"{target} needs an approved request of kind {kind} for version {version}.",
            approvalKind=kind.value,
            target=target,
            targetVersion=str(version),
        )
