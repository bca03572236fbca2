"""Between messages of the contract and requests, delegations and configurations; both ways."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from aeterna.governance.v1 import approvals_pb2 as pb
from libs.approvals import (
    COLLECTION,
    PRESETS,
    SCOPE_IDS,
    Config,
    Configured,
    Kind,
    Mode,
    Preset,
    Risk,
    State,
)
from libs.auth import Identity, Role
from libs.errors import invalid
from libs.scope import SCOPE_IDS as ALL_IDS
from libs.scope import Scope
from libs.service.convert import enum_from, moment, scope_from, scope_to, timestamp
from services.governance.approvals.domain import Asking, Decision, Delegation
from services.governance.approvals.operations import DelegationDraft, Opened
from services.governance.approvals.settings_store import DELEGATIONS, etag_of

E = TypeVar("E", bound=Enum)
_REQUEST, _CONFIG = "approval_request", "approval_config"


def _numbers(kind: Any, prefix: str, values: Iterable[E]) -> dict[int, E]:
    return {kind.Value(f"{prefix}_{each.name}"): each for each in values}


def _number(values: dict[int, E]) -> Callable[[E], Any]:
    known = {value: number for number, value in values.items()}
    return lambda value: known[value]


KINDS = _numbers(pb.ApprovalKind, "APPROVAL_KIND", Kind)
RISKS = {0: Risk.MEDIUM, **_numbers(pb.ApprovalRisk, "APPROVAL_RISK", Risk)}
MODES = _numbers(pb.ApprovalMode, "APPROVAL_MODE", Mode)
STATES = _numbers(pb.ApprovalState, "APPROVAL_STATE", State)
PRESET = {0: Preset.STANDARD, **_numbers(pb.ApprovalPreset, "APPROVAL_PRESET", Preset)}
_APPROVERS = [each for each in Role if each not in (Role.AGENT, Role.PLATFORM_ADMIN)]
ROLES = _numbers(pb.ApproverRole, "APPROVER_ROLE", _APPROVERS)
_kind, _risk, _mode = _number(KINDS), _number(RISKS), _number(MODES)
_state, _role = _number(STATES), _number(ROLES)


def asking_from(message: pb.ApprovalRequest, identity: Identity) -> Asking:
    """What is asked for, by whom."""
    kind = enum_from(KINDS, message.kind, f"{_REQUEST}.kind")
    if kind is Kind.KNOWLEDGE and not message.target_version:
        raise invalid(f"{_REQUEST}.target_version", "is needed for kind knowledge")
    if "\0" in message.description:
        raise invalid(f"{_REQUEST}.description", "must not hold NUL")
    return Asking(
        kind=kind,
        target=message.target,
        version=message.target_version,
        scope=checked_scope(scope_from(message.scope), f"{_REQUEST}.scope"),
        risk=RISKS[message.risk],
        requester=identity.subject,
        agent=identity.agent,
        digest=message.payload_digest,
    )


def checked_scope(scope: Scope, field: str) -> Scope:
    """The scope, which names no more than approvals know of."""
    for name in ALL_IDS:
        if name not in SCOPE_IDS and getattr(scope, name):
            raise invalid(f"{field}.{name}", "must be empty: approvals are bound to no such thing")
    return scope


def request_to(opened: Opened) -> pb.ApprovalRequest:
    """The message of a request."""
    approval, asking = opened.stored.approval, opened.stored.approval.asking
    decisions = zip(approval.decisions, opened.comments, strict=True)
    return pb.ApprovalRequest(
        name=f"{COLLECTION}/{approval.id}",
        number=f"REQ-{opened.stored.year}-{opened.stored.serial:04}",
        kind=_kind(asking.kind),
        target=asking.target,
        target_version=asking.version,
        scope=scope_to(asking.scope),
        risk=_risk(asking.risk),
        payload_digest=asking.digest,
        title=opened.title,
        description=opened.description,
        requester=asking.requester,
        requester_agent=asking.agent,
        state=_state(approval.state),
        mode=_mode(approval.mode),
        needed=approval.needed,
        approvers=sorted(approval.approvers),
        approver_roles=_roles_to(approval.roles),
        excluded=sorted(approval.excluded),
        decisions=[_decision(decision, comment) for decision, comment in decisions],
        escalated=approval.escalated,
        error=approval.error,
        escalate_time=timestamp(approval.escalates_at) if approval.escalates_at else None,
        expire_time=timestamp(approval.expires_at),
        create_time=timestamp(approval.created_at),
        update_time=timestamp(approval.updated_at),
    )


def _decision(decision: Decision, comment: str) -> pb.ApprovalDecision:
    return pb.ApprovalDecision(
        approver=decision.approver,
        holder=decision.holder,
        approves=decision.approves,
        comment=comment,
        create_time=timestamp(decision.at),
    )


def _roles_to(roles: Iterable[Role]) -> list[Any]:
    known = set(ROLES.values())
    return [_role(role) for role in sorted(roles) if role in known]


def delegation_from(message: pb.ApprovalDelegation) -> DelegationDraft:
    """The right to pass on."""
    field = "approval_delegation"
    return DelegationDraft(
        delegate=message.delegate,
        kinds=frozenset(KINDS[each] for each in message.kinds),
        scope=checked_scope(scope_from(message.scope), f"{field}.scope"),
        expires_at=moment(message.expire_time, f"{field}.expire_time"),
    )


def delegation_to(delegation: Delegation) -> pb.ApprovalDelegation:
    """The message of a delegation."""
    return pb.ApprovalDelegation(
        name=f"{DELEGATIONS}/{delegation.id}",
        holder=delegation.holder,
        delegate=delegation.delegate,
        kinds=[_kind(each) for each in sorted(delegation.kinds)],
        scope=scope_to(delegation.scope),
        expire_time=timestamp(delegation.expires_at),
        create_time=timestamp(delegation.created_at),
    )


def config_from(message: pb.ApprovalConfig) -> Config:
    """A configuration: the preset, but for what is set."""
    preset = PRESETS[PRESET[message.preset]]
    mode = MODES.get(message.mode, preset.mode)
    config = replace(
        preset,
        required=frozenset(KINDS[each] for each in message.required_kinds),
        mode=mode,
        quorum=message.quorum if message.HasField("quorum") else _quorum(preset, mode),
        approvers=tuple(message.approvers),
        roles=tuple(ROLES[each] for each in message.approver_roles) or preset.roles,
        escalation_roles=(
            tuple(ROLES[each] for each in message.escalation_roles) or preset.escalation_roles
        ),
    )
    if message.HasField("timeout"):
        config = replace(config, timeout=_time(message.timeout, "timeout"))
    if message.HasField("auto_approve_low_risk"):
        config = replace(config, auto_approve_low_risk=message.auto_approve_low_risk)
    return replace(config, escalate_after=_escalation(message, config))


def _quorum(preset: Config, mode: Mode) -> int:
    """What the preset says, where its mode is the one that counts."""
    return preset.quorum if preset.mode is mode else 1 if mode is Mode.SINGLE else 2


def _escalation(message: pb.ApprovalConfig, config: Config) -> timedelta | None:
    """As it is set; the preset's own, if that is before the end."""
    if message.never_escalates:
        return None
    if message.HasField("escalate_after"):
        return _time(message.escalate_after, "escalate_after")
    own = config.escalate_after
    return own if own and own < config.timeout else None


def _time(duration: Duration, name: str) -> timedelta:
    if not 0 <= duration.seconds <= 366 * 86_400 or duration.nanos < 0:
        raise invalid(f"{_CONFIG}.{name}", "must be 0 to 366 days")
    return duration.ToTimedelta()


def config_to(configured: Configured) -> pb.ApprovalConfig:
    """The message of a configuration."""
    config = configured.config
    message = pb.ApprovalConfig(
        scope=scope_to(configured.scope),
        required_kinds=[_kind(each) for each in sorted(config.required)],
        mode=_mode(config.mode),
        quorum=config.quorum,
        approvers=config.approvers,
        approver_roles=_roles_to(config.roles),
        never_escalates=config.escalate_after is None,
        escalation_roles=_roles_to(config.escalation_roles),
        auto_approve_low_risk=config.auto_approve_low_risk,
        etag=etag_of(configured.version),
    )
    message.timeout.FromTimedelta(config.timeout)
    if config.escalate_after is not None:
        message.escalate_after.FromTimedelta(config.escalate_after)
    return message
