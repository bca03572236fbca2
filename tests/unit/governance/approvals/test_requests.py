"""The life of a request: whatever people try, in whatever order, the rules hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from libs.approvals import PRESETS, Config, Configured, Kind, Mode, Preset, Risk, State, nearest
from libs.auth.roles import Role
from libs.errors import AppError
from libs.scope import Scope
from services.governance.approvals.domain import (
    Approval,
    Asking,
    Delegation,
    Person,
    carried_out,
    decided,
    opened,
    ticked,
    withdrawn,
)
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

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST, OTHER = UUID(int=1), UUID(int=2)
PEOPLE = ("ann", "bob", "cat", "dan", "eve")
LEAD = frozenset({Role.TECH_LEAD})
ADMIN = frozenset({Role.ADMIN})


def asking(**values: object) -> Asking:
    base = Asking(Kind.POLICY, "t", 1, Scope(team_id="x"), Risk.MEDIUM, "ann", "", "d")
    return replace(base, **values)  # type: ignore[arg-type]


def request(
    config: Config, *writers: str, bound: tuple[str, ...] = (), **values: object
) -> Approval:
    return opened(REQUEST, asking(**values), config, writers, bound, NOW)


def lead(name: str) -> Person:
    return Person(name, LEAD)


def passed(holder: str, delegate: str, **values: object) -> Delegation:
    end = NOW + timedelta(days=1)
    base = Delegation(OTHER, holder, delegate, LEAD, frozenset(), Scope(), end, NOW)
    return replace(base, **values)  # type: ignore[arg-type]


class Requests(RuleBasedStateMachine):
    """People approve, reject, delegate and let time pass, in any order."""

    @initialize(
        mode=st.sampled_from(Mode),
        quorum=st.integers(1, 3),
        named=st.lists(st.sampled_from(PEOPLE), unique=True),
        writers=st.lists(st.sampled_from(PEOPLE), unique=True, max_size=2),
        requester=st.sampled_from(PEOPLE),
    )
    def open(
        self, mode: Mode, quorum: int, named: list[str], writers: list[str], requester: str
    ) -> None:
        self.now, self.delegations = NOW, list[Delegation]()
        self.approval: Approval | None = None
        config = Config(mode=mode, quorum=quorum, approvers=tuple(named))
        try:
            self.approval = opened(
                REQUEST, asking(requester=requester), config, writers, PEOPLE, NOW
            )
        except TooFewApprovers:
            return

    @rule(
        person=st.sampled_from(PEOPLE),
        roles=st.sampled_from([LEAD, ADMIN, frozenset[Role]()]),
        approves=st.sampled_from([True, True, True, False]),
    )
    def decide(self, person: str, roles: frozenset[Role], approves: bool) -> None:
        if self.approval is None:
            return
        before = self.approval
        try:
            self.approval = decided(
                before, Person(person, roles), approves, self.delegations, self.now
            )
        except AppError:
            return
        assert before.state is State.PENDING
        assert ticked(before, self.now).state is State.PENDING
        assert (self.approval.state is State.REJECTED) == (not approves)

    @rule(holder=st.sampled_from(PEOPLE), delegate=st.sampled_from(PEOPLE))
    def delegate(self, holder: str, delegate: str) -> None:
        if holder != delegate:
            self.delegations.append(passed(holder, delegate))

    @rule(hours=st.sampled_from([1, 20, 50]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        if self.approval and self.approval.state is State.PENDING:
            self.approval = ticked(self.approval, self.now)

    @invariant()
    def nobody_decides_on_his_own(self) -> None:
        for each in self.approval.decisions if self.approval else ():
            assert self.approval
            assert not {each.approver, each.holder} & self.approval.excluded

    @invariant()
    def a_person_and_a_right_decide_once(self) -> None:
        decisions = self.approval.decisions if self.approval else ()
        assert len({each.approver for each in decisions}) == len(decisions)
        assert len({each.holder for each in decisions}) == len(decisions)

    @invariant()
    def it_is_approved_by_as_many_as_it_takes(self) -> None:
        if self.approval is None or self.approval.state not in (State.PENDING, State.APPROVED):
            return
        holders = {each.holder for each in self.approval.decisions}
        if self.approval.mode is Mode.UNANIMOUS:
            enough = holders >= self.approval.approvers - self.approval.excluded
        else:
            enough = len(holders) >= self.approval.needed
        assert enough == (self.approval.state is State.APPROVED)


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)


def test_one_is_enough_in_mode_single() -> None:
    config = PRESETS[Preset.PERMISSIVE]

    after = decided(request(config), lead("bob"), True, [], NOW)

    assert after.state is State.APPROVED
    assert after.due_at is None


def test_a_quorum_takes_as_many() -> None:
    once = decided(request(Config(quorum=2)), lead("bob"), True, [], NOW)

    assert once.state is State.PENDING
    assert decided(once, lead("cat"), True, [], NOW).state is State.APPROVED


def test_unanimity_is_of_those_who_were_approvers_when_it_was_opened() -> None:
    bound = ("bob", "cat", "dan", "ann")
    after = request(PRESETS[Preset.STRICT], bound=bound)
    for name in ("bob", "cat"):
        after = decided(after, lead(name), True, [], NOW)
        assert after.state is State.PENDING
    with pytest.raises(NotAnApprover):
        decided(after, lead("eve"), True, [], NOW)

    assert decided(after, lead("dan"), True, [], NOW).state is State.APPROVED
    assert decided(after, lead("dan"), False, [], NOW).state is State.REJECTED


@pytest.mark.parametrize(
    "config",
    [
        PRESETS[Preset.STRICT],
        replace(PRESETS[Preset.STRICT], approvers=("ann", "bob", "cat")),
        Config(quorum=2, approvers=("ann", "bob")),
    ],
)
def test_a_request_that_could_never_be_approved_is_refused(config: Config) -> None:
    with pytest.raises(TooFewApprovers):
        request(config)


def test_the_requester_and_writers_do_not_decide_nor_through_a_delegate() -> None:
    asked = request(Config(), "dan")
    nobody = Person("bob", frozenset())

    for own in ("ann", "dan"):
        with pytest.raises(SelfApproval):
            decided(asked, lead(own), True, [], NOW)
        with pytest.raises(SelfApproval):
            decided(asked, nobody, True, [passed(own, "bob")], NOW)
        with pytest.raises(SelfApproval):
            decided(asked, lead(own), True, [passed("cat", own)], NOW)


def test_a_delegate_uses_the_right_of_the_holder_and_it_is_used_up() -> None:
    nobody = Person("eve", frozenset())
    delegations = [passed("bob", "eve")]
    after = decided(request(Config()), nobody, True, delegations, NOW)

    assert [(each.approver, each.holder) for each in after.decisions] == [("eve", "bob")]
    with pytest.raises(AlreadyDecided):
        decided(after, lead("bob"), True, [], NOW)
    with pytest.raises(AlreadyDecided):
        decided(after, nobody, True, [*delegations, passed("cat", "eve")], NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"expires_at": NOW},
        {"kinds": frozenset({Kind.MEMORY})},
        {"scope": Scope(team_id="y")},
        {"roles": frozenset({Role.VIEWER})},
    ],
)
def test_a_delegation_is_for_what_it_says(values: dict[str, object]) -> None:
    with pytest.raises(NotAnApprover):
        decided(
            request(Config()),
            Person("eve", frozenset()),
            True,
            [passed("bob", "eve", **values)],
            NOW,
        )


def test_time_escalates_and_ends_a_request() -> None:
    asked = request(Config(approvers=("bob", "cat")))
    assert ticked(asked, NOW + timedelta(hours=47)) is asked

    late = ticked(asked, NOW + timedelta(hours=48))

    assert late.escalated
    assert late.due_at == late.expires_at
    with pytest.raises(NotAnApprover):
        decided(asked, Person("eve", ADMIN), True, [], NOW)
    assert decided(late, Person("eve", ADMIN), True, [], NOW).decisions
    over = ticked(late, NOW + timedelta(hours=72))
    assert (over.state, over.due_at) == (State.EXPIRED, None)


def test_a_request_whose_time_is_over_is_not_decided_even_if_nobody_noticed() -> None:
    with pytest.raises(NotPending):
        decided(request(Config()), lead("bob"), True, [], NOW + timedelta(hours=72))


def test_what_is_of_low_risk_may_be_approved_at_once() -> None:
    permissive = PRESETS[Preset.PERMISSIVE]

    assert request(permissive, risk=Risk.LOW).state is State.APPROVED
    assert request(permissive).state is State.PENDING
    assert request(Config(), risk=Risk.LOW).state is State.PENDING


def test_only_who_asked_takes_it_back() -> None:
    with pytest.raises(NotTheRequester):
        withdrawn(request(Config()), lead("bob"), NOW)
    gone = withdrawn(request(Config()), lead("ann"), NOW)
    assert gone.state is State.WITHDRAWN
    with pytest.raises(NotPending):
        decided(gone, lead("bob"), True, [], NOW)
    assert withdrawn(request(Config()), Person("eve", ADMIN), NOW).state is State.WITHDRAWN


def test_what_was_approved_is_carried_out_once() -> None:
    asked = request(PRESETS[Preset.PERMISSIVE])
    with pytest.raises(NotApproved):
        carried_out(asked, lead("ann"), "d", NOW)
    approved = decided(asked, lead("bob"), True, [], NOW)
    with pytest.raises(PayloadMismatch):
        carried_out(approved, lead("ann"), "e", NOW)
    with pytest.raises(NotTheRequester):
        carried_out(approved, lead("bob"), "d", NOW)

    done = carried_out(approved, lead("ann"), "d", NOW)

    assert done.state is State.APPLIED
    with pytest.raises(NotApproved):
        carried_out(done, lead("ann"), "d", NOW)


def test_knowledge_is_carried_out_by_its_service() -> None:
    approved = decided(
        request(PRESETS[Preset.PERMISSIVE], kind=Kind.KNOWLEDGE), lead("bob"), True, [], NOW
    )

    assert approved.apply_at == NOW
    with pytest.raises(AppliedByService):
        carried_out(approved, lead("ann"), "d", NOW)


IDS = st.sampled_from(["", "a", "b"])
SCOPES = st.builds(Scope, org_id=IDS, team_id=IDS, project_id=IDS)


@given(st.lists(SCOPES, unique=True), SCOPES)
def test_the_nearest_configuration_counts(bound: list[Scope], scope: Scope) -> None:
    found = nearest([Configured(each, Config(), 1) for each in bound], scope)

    def fits(each: Scope) -> bool:
        pairs = zip(each.values(), scope.values(), strict=True)
        return all(own in ("", other) for own, other in pairs)

    if not any(map(fits, bound)):
        assert found.version == 0
        return
    assert fits(found.scope)
    for each in filter(fits, bound):
        assert bool(found.scope.project_id) >= bool(each.project_id)


@given(st.sampled_from(Preset))
def test_a_configuration_is_stored_and_read(preset: Preset) -> None:
    assert Config.from_json(PRESETS[preset].to_json()) == PRESETS[preset]
