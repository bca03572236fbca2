"""Names and the form in which they go into the audit trail."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.auth import Identity, Role
from libs.auth.identity import is_name
from libs.tenancy import TenantId
from tests.unit.auth.support import ISSUER, NOW, unhurried

names = st.text(min_size=1, max_size=40).filter(is_name)


def make_identity(subject: str, agent: str = "", delegation: tuple[str, ...] = ()) -> Identity:
    roles = frozenset({Role.VIEWER})
    return Identity(TenantId("acme"), subject, roles, agent, delegation, ISSUER, NOW)


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        (make_identity("ann"), "user:ann"),
        (make_identity("ann", "planner"), "agent:planner for user:ann"),
        (make_identity("ann", "b", ("a",)), "agent:b for agent:a for user:ann"),
        (make_identity("Ann Lee"), "user:Ann%20Lee"),
        (make_identity("ann for user:bob"), "user:ann%20for%20user:bob"),
    ],
)
def test_the_actor_says_who_acts_for_whom(identity: Identity, actor: str) -> None:
    assert identity.actor == actor


@unhurried
@given(names, st.lists(names, max_size=3))
@example("a for user:b", ["%20", "agent:c for"])
def test_the_names_can_be_read_back_from_the_actor(subject: str, agents: list[str]) -> None:
    agent, *delegation = agents or [""]
    actor = make_identity(subject, agent, tuple(delegation)).actor

    parts = [part.split(":", 1) for part in actor.split(" for ")]

    assert [kind for kind, _ in parts] == ["agent"] * len(agents) + ["user"]
    assert [readable(name) for _, name in parts] == [*agents, subject]
    assert actor.isprintable()


def readable(name: str) -> str:
    """Only %20 and %25 occur: other sequences of a name had their percent sign escaped."""
    return unquote(name)


@unhurried
@given(st.text())
def test_names_hold_no_control_characters(text: str) -> None:
    control = any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)

    assert not (is_name(text) and control)


@pytest.mark.parametrize("value", ["a", "ann@example.com", "Ann Lee", "system:sa:x:y", "é" * 128])
def test_printable_text_is_a_name(value: str) -> None:
    assert is_name(value)


@pytest.mark.parametrize(
    "value", ["", " ", "a\u2028b", "a\u200bb", "\ud800", "a\x7f", "é" * 129, None, 5, b"ann"]
)
def test_what_could_forge_a_log_line_is_no_name(value: object) -> None:
    assert not is_name(value)
