"""Questions survive being kept."""

import json

from hypothesis import given
from hypothesis import strategies as st

from libs.auth import Role
from libs.authorization.asking import Agent, Principal
from libs.authorization.engine import Engine
from libs.authorization.questions import Question
from libs.authorization.rules import CAPABILITIES, Binding
from libs.authorization.things import KNOWLEDGE_ITEM, MEMORY, TENANT, Thing

names = st.text(min_size=1, max_size=8)
ids = st.one_of(st.just(""), names)
bindings = st.builds(Binding, st.sampled_from(Role), ids, ids, ids)
agents = st.builds(
    Agent,
    names,
    st.sampled_from(["active", "revoked"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.frozensets(st.sampled_from(sorted(CAPABILITIES))),
)
principals = st.builds(
    Principal,
    tenant=names,
    person=names,
    roles=st.frozensets(st.sampled_from(Role)),
    bindings=st.lists(bindings, max_size=3, unique=True).map(
        lambda found: tuple(sorted(found, key=repr))
    ),
    suspended=st.booleans(),
    agent=st.none() | agents,
)
things = st.builds(
    Thing,
    kind=st.sampled_from([TENANT, MEMORY, KNOWLEDGE_ITEM]),
    tenant=names,
    layer=ids,
    team=ids,
    user=ids,
    unknown=st.frozensets(st.sampled_from(["session", "agent"])),
)
questions = st.builds(Question, principals, names, st.none() | things)


@given(questions)
def test_what_was_kept_is_the_same_question(question: Question) -> None:
    again = Question.of(json.loads(json.dumps(question.json())))

    assert set(again.principal.bindings) == set(question.principal.bindings)
    assert again.json() == question.json()
    assert (again.action, again.thing) == (question.action, question.thing)
    assert again.principal.agent == question.principal.agent
    assert again.principal.roles == question.principal.roles


def test_a_question_is_answered_by_the_policies_that_it_is_put_to() -> None:
    dev = Principal("acme", "dev", frozenset({Role.DEVELOPER}))
    question = Question(dev, "CreateMemory", Thing(MEMORY, "acme", layer="company"))
    forbid = 'forbid (principal, action == Aeterna::Action::"CreateMemory", resource);'

    as_it_is, frozen = Engine().of(dev), Engine({"frozen": forbid}).of(dev)
    assert question.answer(as_it_is).allowed
    answer = question.answer(frozen)
    assert (answer.allowed, answer.policies) == (False, ("frozen",))
    assert not Question(dev, "CreateMemory").answer(frozen).allowed


def test_who_asks_and_about_what_is_told_in_a_line() -> None:
    planner = Agent("planner", "active", 1, 3, frozenset())
    principal = Principal("acme", "ann", frozenset(), agent=planner)
    question = Question(principal, "GetMemory", Thing(MEMORY, "acme", layer="team", team="pay"))

    assert question.actor == "agent:planner for user:ann"
    assert question.about == "Memory layer=team team=pay"
