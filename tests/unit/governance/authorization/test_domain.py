"""Who may give which role, and which version was active before."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.auth import Role
from services.governance.authorization.domain.agents import Agent, check_gift
from services.governance.authorization.domain.policies import Policy, before
from services.governance.authorization.domain.roles import ORDER, Person, Place, check_grant
from services.governance.authorization.errors import BeyondOwn, NothingToRollBackTo, RoleAboveOwn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ids = st.sampled_from(["", "a", "b"])
places = st.builds(Place, org_id=ids, team_id=ids, project_id=ids)
held = st.lists(st.tuples(st.sampled_from(ORDER), places), max_size=4)


@given(st.sampled_from(ORDER), st.frozensets(st.sampled_from(ORDER)))
def test_a_role_is_given_by_those_who_have_it_or_more(role: Role, own: frozenset[Role]) -> None:
    enough = any(ORDER.index(each) >= ORDER.index(role) for each in own)
    if enough:
        check_grant(role, own)
    else:
        with pytest.raises(RoleAboveOwn):
            check_grant(role, own)


@given(held, places)
def test_roles_hold_in_the_places_that_theirs_cover(
    roles: list[tuple[Role, Place]], place: Place
) -> None:
    person = Person("ann", frozenset({Role.VIEWER}))

    found = person.roles_in(place, roles)

    for role, where in roles:
        wider = all(own in ("", there) for own, there in zip(where.ids(), place.ids(), strict=True))
        assert role in found or not wider
    assert found <= {Role.VIEWER} | {role for role, where in roles if where.covers(place)}


@given(places, places, places)
def test_covering_is_an_order(one: Place, two: Place, three: Place) -> None:
    assert one.covers(one)
    assert Place().covers(one)
    assert one.covers(three) or not (one.covers(two) and two.covers(three))


capabilities = st.frozensets(st.sampled_from(["a", "b", "c"]))
moments = st.sampled_from([None, NOW, NOW + timedelta(hours=1)])
agents = st.builds(
    lambda **values: Agent(id="helper", owner="ann", created_at=NOW, updated_at=NOW, **values),
    capabilities=capabilities.map(lambda each: tuple(sorted(each))),
    max_depth=st.integers(1, 3),
    expires_at=moments,
)


@given(st.none() | agents, agents, capabilities, st.integers(1, 3), moments)
def test_agents_give_nothing_that_they_do_not_have(
    before: Agent | None,
    after: Agent,
    own: frozenset[str],
    depth: int,
    ends: datetime | None,
) -> None:
    planner = Person("ann", frozenset(), ("planner",), own, depth)
    had = frozenset(before.capabilities) if before else frozenset[str]()
    try:
        check_gift(planner, before, after, ends)
    except BeyondOwn:
        return
    assert frozenset(after.capabilities) <= own | had
    assert after.max_depth <= max(depth, before.max_depth if before else 0)
    assert ends is None or (after.expires_at is not None and after.expires_at <= ends)


def test_people_give_everything_and_agents_leave_themselves_alone() -> None:
    helper = Agent(id="helper", owner="ann", created_at=NOW, updated_at=NOW)
    check_gift(Person("ann", frozenset()), None, helper, NOW)
    with pytest.raises(BeyondOwn):
        check_gift(Person("ann", frozenset(), ("x", "helper"), max_depth=3), helper, helper, None)


@given(st.permutations(range(1, 6)))
def test_going_back_retraces_activations(order: list[int]) -> None:
    moments = [(version, NOW + timedelta(hours=place)) for place, version in enumerate(order)]
    policy = Policy(
        id="p", latest_version=5, active_version=order[-1], created_at=NOW, updated_at=NOW
    )
    for expected in reversed(order[:-1]):
        version = before(policy, moments)
        assert version == expected
        policy = policy.activated(version, NOW)
    with pytest.raises(NothingToRollBackTo):
        before(policy, moments)
