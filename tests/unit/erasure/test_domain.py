"""What governance makes of actors, and of patterns for the database."""

import re
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from libs.auth.identity import Identity, person_of
from libs.erasure import Erasure, Strategy
from libs.erasure.registry import CONTROL, OTHERS, TABLES, Treatment
from libs.erasure.texts import pattern
from services.governance.erasure.domain import actor_parts, renamed_actor, reported
from services.governance.erasure.store.patterns import sql_pattern

PSEUDONYM = "erased-0123456789abcdef"
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10)


def erasure(*everything: str) -> Erasure:
    return Erasure(uuid4(), everything[0], everything[1:], Strategy.DELETE, PSEUDONYM)


def actor(subject: str, *agents: str) -> str:
    agent, delegation = (agents[0], agents[1:]) if agents else ("", ())
    values = {"agent": agent, "delegation": delegation}
    identity = Identity.__new__(Identity)
    for name, value in {"subject": subject, **values}.items():
        object.__setattr__(identity, name, value)
    return identity.actor


@given(names, names, names)
def test_only_the_person_is_renamed(subject: str, agent: str, other: str) -> None:
    asked = erasure(subject)
    before = actor(subject, agent)
    after = renamed_actor(before, asked)
    assert person_of(after) == f"user:{PSEUDONYM}"
    assert not set(after.split(" for ")) & set(actor_parts(asked))
    if subject not in (other, agent):
        assert renamed_actor(actor(other, agent), asked) == actor(other, agent)


def test_names_with_spaces_and_percent_signs() -> None:
    asked = erasure("ann 100%")
    assert renamed_actor(actor("ann 100%", "p"), asked) == f"agent:p for user:{PSEUDONYM}"
    assert renamed_actor("user:ann%20100", asked) == "user:ann%20100"


@given(st.lists(names, min_size=1, max_size=4).map(tuple), st.text(max_size=30))
def test_both_patterns_find_the_same(identifiers: tuple[str, ...], text: str) -> None:
    """The syntax that both share is all that the one for PostgreSQL uses."""
    found = pattern(identifiers)
    assert found is not None
    for each in (text, f" {identifiers[0]} ", text + identifiers[0]):
        assert (re.search(sql_pattern(identifiers), each) is None) == (found.search(each) is None)


def test_a_report_names_every_store_and_what_nobody_registered() -> None:
    report = reported({"memory": 3}, {"memory": 3}, {"new_table": 2})
    lines = {each["store"]: each for each in report}
    assert set(lines) == {
        *TABLES,
        *(f"control.{name}" for name in CONTROL),
        *OTHERS,
        "new_table",
    }
    assert lines["memory"]["found"] == lines["memory"]["erased"] == 3
    assert (lines["new_table"]["left"], lines["new_table"]["why"]) == (2, "not in the registry")


def test_every_store_says_why() -> None:
    for store in (*TABLES.values(), *CONTROL.values(), *OTHERS.values()):
        assert store.why
        columns = (*store.people, *store.actors, *store.documents, *store.rows)
        assert not (columns and store.treatment is Treatment.NONE)
