"""The life of a request: who may decide, when it is decided, what time does to it. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.approvals import APPLIED_BY_SERVICES, Config, Kind, Mode, Risk, State, applies
from libs.auth.roles import Role
from libs.scope import Scope
from services.governance.approvals.errors import (
    AlreadyDecided,
    AppliedByService,
    NotAnApprover,
    NotApproved,
    NotPending,
    NotTheRequester,
    PayloadMismatch,
    SelfApproval,
    TooFewApprovers,
)


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked for. `digest`: SHA-256 of what is to be done, in hexadecimal digits, or ""."""

    kind: Kind
    target: str
    version: int
    scope: Scope
    risk: Risk
    requester: str
    agent: str
    digest: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person decided; `holder`: whose right it was."""

    approver: str
    holder: str
    approves: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A request, without what is sealed of it.

    Attributes:
        excluded: People who may not decide.
        needed: Approvals that it takes.
        approvers: Who may decide, by name, if not excluded; none: whoever has one of `roles`.
        due_at: When time changes it next; None: no more.
        apply_at: Since when its service may apply it; None: it has, or its requester does.
    """

    id: UUID
    asking: Asking
    excluded: frozenset[str]
    mode: Mode
    needed: int
    approvers: frozenset[str]
    roles: frozenset[Role]
    escalation_roles: frozenset[Role]
    escalated: bool
    state: State
    escalates_at: datetime | None
    expires_at: datetime
    due_at: datetime | None
    apply_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    error: str = ""
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right to decide that was passed on, with the roles that its holder had."""

    id: UUID
    holder: str
    delegate: str
    roles: frozenset[Role]
    kinds: frozenset[Kind]
    scope: Scope
    expires_at: datetime
    created_at: datetime

    def covers(self, approval: Approval, now: datetime) -> bool:
        """Whether it is for this request, still."""
        asking = approval.asking
        return (
            now < self.expires_at
            and (not self.kinds or asking.kind in self.kinds)
            and applies(self.scope, asking.scope)
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Who decides. `roles` hold in the whole tenant, each of `bound` in a scope."""

    subject: str
    roles: frozenset[Role]
    bound: tuple[tuple[Scope, Role], ...] = ()

    def roles_in(self, scope: Scope) -> frozenset[Role]:
        """Those that hold in a scope."""
        return self.roles | {role for within, role in self.bound if applies(within, scope)}


def opened(
    new: UUID,
    asking: Asking,
    config: Config,
    writers: Iterable[str],
    bound: Iterable[str],
    now: datetime,
) -> Approval:
    """A new request.

    Args:
        writers: Who wrote the target: they may not decide on it.
        bound: Who is known to have one of the roles; unanimity is of these, unless people are
            named.
    Raises:
        TooFewApprovers: It could never be approved.
    """
    excluded = frozenset({asking.requester, *writers})
    named = frozenset(config.approvers)
    if config.mode is Mode.UNANIMOUS and not named:
        named = frozenset(bound)
    able = named - excluded
    needed = _needed(config, able)
    if (named or config.mode is Mode.UNANIMOUS) and len(able) < max(needed, _least(config)):
        raise TooFewApprovers(len(able), max(needed, _least(config)))
    expires = now + config.timeout
    escalates = now + config.escalate_after if config.escalate_after is not None else None
    approval = Approval(
        id=new,
        asking=asking,
        excluded=excluded,
        mode=config.mode,
        needed=needed,
        approvers=named,
        roles=frozenset(config.roles),
        escalation_roles=frozenset(config.escalation_roles),
        escalated=False,
        state=State.PENDING,
        escalates_at=escalates,
        expires_at=expires,
        due_at=min(expires, escalates or expires),
        apply_at=None,
        created_at=now,
        updated_at=now,
    )
    automatic = config.auto_approve_low_risk and asking.risk is Risk.LOW
    return _approved(approval, now) if automatic else approval


def _needed(config: Config, able: Collection[str]) -> int:
    if config.mode is Mode.SINGLE:
        return 1
    return config.quorum if config.mode is Mode.QUORUM else max(1, len(able))


def _least(config: Config) -> int:
    """How many people there have to be."""
    return config.quorum if config.mode is Mode.UNANIMOUS else 1


def decided(
    approval: Approval,
    person: Person,
    approves: bool,
    delegations: Sequence[Delegation],
    now: datetime,
) -> Approval:
    """The request with one more decision, which is its last.

    Raises:
        NotPending, SelfApproval, AlreadyDecided, NotAnApprover: It is refused.
    """
    _check_open(approval, now)
    if person.subject in approval.excluded:
        raise SelfApproval(approval.id)
    if person.subject in {each.approver for each in approval.decisions}:
        raise AlreadyDecided(approval.id)
    holder = _right(approval, person, delegations, now)
    decision = Decision(person.subject, holder, approves, now)
    after = replace(approval, decisions=(*approval.decisions, decision), updated_at=now)
    if not approves:
        return _ended(after, State.REJECTED, now)
    return _approved(after, now) if _is_enough(after) else after


def _right(
    approval: Approval, person: Person, delegations: Sequence[Delegation], now: datetime
) -> str:
    """Whose right the person uses: his own, if he has one, else the first that was delegated."""
    used = {each.holder for each in approval.decisions}
    if _may(approval, person):
        if person.subject in used:
            raise AlreadyDecided(approval.id)  # by a delegate
        return person.subject
    passed = [
        each
        for each in delegations
        if each.delegate == person.subject
        and each.covers(approval, now)
        and _may(approval, Person(each.holder, each.roles))
    ]
    if not passed:
        raise NotAnApprover(approval.id)
    foreign = [each.holder for each in passed if each.holder not in approval.excluded]
    if not foreign:
        raise SelfApproval(approval.id)
    unused = [holder for holder in foreign if holder not in used]
    if not unused:
        raise AlreadyDecided(approval.id)
    return min(unused)


def _may(approval: Approval, person: Person) -> bool:
    """Whether the person has a right to decide, if it is not about his own."""
    roles = person.roles_in(approval.asking.scope)
    if approval.approvers:
        named = person.subject in approval.approvers
    else:
        named = bool(roles & approval.roles)
    widened = approval.escalated and approval.mode is not Mode.UNANIMOUS
    return named or (widened and bool(roles & approval.escalation_roles))


def _is_enough(approval: Approval) -> bool:
    holders = {each.holder for each in approval.decisions if each.approves}
    if approval.mode is Mode.UNANIMOUS:
        return approval.approvers - approval.excluded <= holders
    return len(holders) >= approval.needed


def withdrawn(approval: Approval, person: Person, now: datetime) -> Approval:
    """The request taken back; raises NotPending, NotTheRequester."""
    _check_open(approval, now)
    check_requester(approval, person)
    return _ended(approval, State.WITHDRAWN, now)


def carried_out(approval: Approval, person: Person, digest: str, now: datetime) -> Approval:
    """The request marked as carried out by its requester.

    Raises:
        AppliedByService, NotTheRequester, NotApproved, PayloadMismatch: It is refused.
    """
    if approval.asking.kind in APPLIED_BY_SERVICES:
        raise AppliedByService(approval.id)
    check_requester(approval, person)
    if approval.state is not State.APPROVED:
        raise NotApproved(approval.id, approval.state)
    if digest != approval.asking.digest:
        raise PayloadMismatch(approval.id)
    return replace(approval, state=State.APPLIED, updated_at=now)


def check_requester(approval: Approval, person: Person) -> None:
    """Raises NotTheRequester for anybody but who asked, and administrators."""
    administers = person.roles_in(approval.asking.scope) & {Role.ADMIN, Role.TENANT_ADMIN}
    if person.subject != approval.asking.requester and not administers:
        raise NotTheRequester(approval.id)


def ticked(approval: Approval, now: datetime) -> Approval:
    """What time has made of a request: escalated, expired, or the same."""
    if approval.state is not State.PENDING:
        return approval
    if now >= approval.expires_at:
        return _ended(approval, State.EXPIRED, now)
    if not approval.escalated and approval.escalates_at and now >= approval.escalates_at:
        return replace(approval, escalated=True, due_at=approval.expires_at, updated_at=now)
    return approval


def _check_open(approval: Approval, now: datetime) -> None:
    state = ticked(approval, now).state  # whether or not a worker has seen to it
    if state is not State.PENDING:
        raise NotPending(approval.id, state)


def _approved(approval: Approval, now: datetime) -> Approval:
    waits = approval.asking.kind in APPLIED_BY_SERVICES
    return replace(_ended(approval, State.APPROVED, now), apply_at=now if waits else None)


def _ended(approval: Approval, state: State, now: datetime) -> Approval:
    return replace(approval, state=state, due_at=None, updated_at=now, ended_at=now)
