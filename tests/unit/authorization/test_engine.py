"""Decisions are Cedar's, whatever is indexed and remembered."""

from random import Random

import cedarpy
import pytest

from bench.policies import Oracle, random_policies, random_question
from libs.auth import Role
from libs.authorization.asking import Agent, Principal
from libs.authorization.compiled import PoliciesUnusable
from libs.authorization.engine import Engine, actions, policies_text
from libs.authorization.rules import CAPABILITIES, Binding
from libs.authorization.things import MEMORY, TENANT, Thing

_ANN = Principal("acme", "ann", frozenset({Role.DEVELOPER}))
_TEAM = Thing(MEMORY, "acme", layer="team", team="red")


def test_the_policies_are_valid_by_the_schema() -> None:
    result = cedarpy.validate_policies(policies_text(), actions().schema)

    assert result.validation_passed, [str(each.error) for each in result.errors]


def test_every_capability_that_something_needs_is_asked_for() -> None:
    groups = CAPABILITIES & actions().members.keys()
    asked = {each for each in groups if f'contains("{each}")' in policies_text()}

    assert asked == groups - {"governance:approve"}  # for people alone


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_that_cedar_gives_for_all_policies(seed: int) -> None:
    random = Random(seed)
    texts = random_policies(random, 120)
    oracle, engine = Oracle(texts), Engine(texts)
    outcomes = set()

    for _ in range(120):
        question = random_question(random)
        asker = engine.of(question.principal)
        decision = asker.decide(question.action, question.thing)
        assert (decision.allowed, decision.policies) == oracle(question), question
        assert decision == asker.decide(question.action, question.thing)
        if decision.allowed:
            assert asker.admits(question.action).allowed, question
        outcomes.add((decision.allowed, bool(decision.policies)))

    assert outcomes == {(True, True), (False, True), (False, False)}


def test_what_no_policy_permits_is_denied() -> None:
    nobody = Engine().of(Principal("acme", "ann", frozenset()))

    assert not any(nobody.decide(action, _TEAM).allowed for action in actions().rows)
    assert not any(nobody.admits(action).allowed for action in actions().rows)


def test_another_tenant_is_nobody_s_but_the_platform_administrators() -> None:
    there = Thing(MEMORY, "other", layer="team")
    for role in Role:
        asker = Engine().of(Principal("acme", "ann", frozenset({role})))
        assert asker.decide("GetMemory", there).allowed is (role is Role.PLATFORM_ADMIN)


def test_a_forbid_of_a_tenant_wins_and_is_named() -> None:
    text = 'forbid(principal, action, resource is Aeterna::Memory) when {resource.team == "red"};'
    admin = Principal("acme", "ann", frozenset({Role.TENANT_ADMIN}))
    asker = Engine({"no-red": text}).of(admin)

    assert asker.decide("GetMemory", _TEAM).policies == ("no-red",)
    assert not asker.decide("GetMemory", _TEAM).allowed
    assert asker.decide("GetMemory", Thing(MEMORY, "acme", layer="team", team="blue")).allowed


def test_a_tenant_cannot_lock_itself_out() -> None:
    asker = Engine({"all": "forbid(principal, action, resource);"}).of(
        Principal("acme", "ann", frozenset({Role.TENANT_ADMIN}))
    )

    assert not asker.decide("GetMemorySettings", Thing(TENANT, "acme")).allowed
    assert asker.decide("ActivatePolicy", Thing(TENANT, "acme")).allowed


def test_a_role_in_a_scope_acts_there_only() -> None:
    bound = Principal(
        "acme", "ann", frozenset(), (Binding(Role.DEVELOPER, team_id="red", project_id="x"),)
    )
    asker = Engine().of(bound)

    assert asker.admits("CreateMemory").allowed
    assert not asker.decide("CreateMemory", _TEAM).allowed
    assert asker.decide("CreateMemory", Thing(MEMORY, "acme", team="red", project="x")).allowed


@pytest.mark.parametrize(
    ("agent", "policy"),
    [
        (Agent("a", "active", 1, 3, frozenset({"memory:read"})), ""),
        (Agent("a", "active", 1, 3, frozenset()), "aeterna:needs-memory-read"),
        (Agent("a", "revoked", 1, 3, frozenset({"memory:read"})), "aeterna:agent-not-active"),
        (Agent("a", "expired", 1, 3, frozenset({"memory:read"})), "aeterna:agent-not-active"),
        (Agent("a", "active", 3, 2, CAPABILITIES), "aeterna:agent-delegated-too-far"),
    ],
)
def test_agents_need_state_depth_and_capability(agent: Agent, policy: str) -> None:
    acting = Principal("acme", "ann", frozenset({Role.ADMIN}), agent=agent)
    decision = Engine().of(acting).decide("GetMemory", _TEAM)

    assert decision.allowed is not bool(policy)
    assert not policy or policy in decision.policies


def test_an_agent_may_nothing_that_its_person_may_not() -> None:
    agent = Agent("a", "active", 1, 3, CAPABILITIES)
    engine = Engine({"all": 'permit(principal == Aeterna::Agent::"a", action, resource);'})
    for role in Role:
        person = Principal("acme", "ann", frozenset({role}))
        acting = Principal("acme", "ann", frozenset({role}), agent=agent)
        for action in actions().rows:
            mine = engine.of(acting).decide(action, _TEAM)
            assert engine.of(person).decide(action, _TEAM).allowed or not mine.allowed


def test_what_a_forbid_asks_and_nobody_knows_denies() -> None:
    texts = {"no-red": 'forbid(principal, action, resource) when {resource.team == "red"};'}
    known = Thing(MEMORY, "acme", layer="team")
    unknown = Thing(MEMORY, "acme", layer="team", unknown=frozenset({"team"}))

    assert Engine(texts).of(_ANN).decide("GetMemory", known).allowed
    assert Engine(texts).of(_ANN).decide("GetMemory", unknown).policies == ("no-red",)
    assert Engine().of(_ANN).decide("GetMemory", unknown).allowed


@pytest.mark.parametrize(
    "text", ["", "permit(", "permit(principal == ?principal, action, resource);"]
)
def test_what_cannot_be_read_allows_nothing(text: str) -> None:
    with pytest.raises(PoliciesUnusable) as refused:
        Engine({"p1": text})
    assert refused.value.metadata == {"policy": "p1"}


def test_agents_have_no_part_in_what_is_for_people_alone() -> None:
    agent = Agent("a", "active", 1, 3, CAPABILITIES)
    asker = Engine().of(Principal("acme", "ann", frozenset({Role.TENANT_ADMIN}), agent=agent))
    named = ("HandleOwnConsent", "DecideApproval", "AcceptKnowledgeItem", "AssignRole")

    for action in (*named, "ListAuditEntries", "ActivatePolicy", "UpdateMemorySettings"):
        assert asker.admits(action).policies == ("aeterna:people-alone",), action
