"""Finding and replacing what names a person: nothing of them is left, nothing else is touched."""

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.erasure import Erasure, Strategy
from libs.erasure.texts import is_named, mentions, of_others, of_the_person

PSEUDONYM = "erased-0123456789abcdef"
names = st.text(st.characters(exclude_categories=["C"]), min_size=3, max_size=12).filter(
    lambda each: each not in PSEUDONYM and each not in "[redacted]"
)
texts = st.text(max_size=60)
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def erasure(subject: str, *identifiers: str, strategy: Strategy = Strategy.DELETE) -> Erasure:
    return Erasure(uuid4(), subject, identifiers, strategy, PSEUDONYM)


@given(names, names, values, st.sampled_from([Strategy.DELETE, Strategy.ANONYMIZE]))
def test_nothing_is_named_afterwards(
    subject: str, identifier: str, value: Any, strategy: Strategy
) -> None:
    asked = erasure(subject, identifier, strategy=strategy)
    mixed = [value, subject, {identifier: f"({identifier}) and {subject}", "of": [identifier]}]

    for replace, counted in (
        (of_the_person(asked), asked.names),
        (of_others(asked), asked.identifiers),
    ):
        after = replace(mixed)
        assert not is_named(after, asked.names)
        assert not mentions(after, counted)


@given(names, values)
def test_what_does_not_name_the_person_stays(identifier: str, value: Any) -> None:
    asked = erasure(identifier)
    if not is_named(value, asked.names) and not mentions(value, asked.names):
        assert json.dumps(of_the_person(asked)(value)) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("ann", PSEUDONYM),
        ("annual planned ann_ 1ann", "annual planned ann_ 1ann"),
        ("Ann", "Ann"),
        ("ask ann, ann! (ann)", f"ask {PSEUDONYM}, {PSEUDONYM}! ({PSEUDONYM})"),
        ("x ann@example.org y", f"x {PSEUDONYM} y"),
    ],
)
def test_identifiers_count_as_a_whole(text: str, after: str) -> None:
    assert of_the_person(erasure("ann", "ann@example.org"))(text) == after


def test_an_id_may_be_a_word_in_what_is_about_others() -> None:
    asked = erasure("river", "ann@example.org")
    assert of_others(asked)("The river, says ann@example.org") == f"The river, says {PSEUDONYM}"
    assert of_others(asked)("river") == PSEUDONYM
    assert not mentions("The river", asked.identifiers)


def test_redaction_takes_out_what_has_a_form_of_its_own() -> None:
    asked = erasure("ann", "Ann Doe", strategy=Strategy.REDACT)
    text = "Ann Doe, bob@example.org, 4111 1111 1111 1111, ann"
    assert of_the_person(asked)(text) == "[redacted], [email], [card], [redacted]"
    assert of_others(asked)(text) == "[redacted], bob@example.org, 4111 1111 1111 1111, ann"
