"""Redaction: what is found, what is left alone, and that no text is too much for it."""

import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.redaction import KINDS, redact, redact_values
from tests.unit.redaction.examples import FOUND, MISSED, UNTOUCHED

_PARTS = [text for text, _ in FOUND] + [*UNTOUCHED]
_SCRAPS = st.text(alphabet="0123456789abcdefABCDEF@.:+-_ ()[]/\n=sk", max_size=60)
texts = st.one_of(
    st.text(max_size=200),
    _SCRAPS,
    st.lists(st.one_of(st.sampled_from(_PARTS), _SCRAPS), max_size=6).map("".join),
)
_SIZE = 64 * 1024
_UNITS = (
    *("1-", "+1 ", "a@", "a.", "a:", "(", "-----", "a@b.", "x://a:b", "password=", "eyJ", "A"),
    *("+4(7) - 5", "GB82 WEST ", "-----BEGIN PRIVATE KEY-----", "tel: ", "order order "),
)


@pytest.mark.parametrize(("text", "left"), FOUND)
def test_what_is_known_is_replaced(text: str, left: str) -> None:
    assert redact(text).text == left


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact(text) == (text, ())


def test_precision_and_recall_are_those_that_the_guide_states() -> None:
    found = sum(redact(text).text == left for text, left in FOUND)
    missed = sum(not redact(text).kinds for text in MISSED)
    wrong = sum(bool(redact(text).kinds) for text in UNTOUCHED)

    assert (len(FOUND), len(MISSED), len(UNTOUCHED)) == (52, 6, 65)  # docs/memory-life.md
    assert (found, missed, wrong) == (52, 6, 0)


def test_the_kinds_are_told_in_their_order_once_each() -> None:
    redacted = redact("+47 22 12 34 56, a@example.com, b@example.com")

    assert redacted == ("[phone], [email], [email]", ("email", "phone"))


@given(texts)
def test_a_second_time_finds_nothing(text: str) -> None:
    once = redact(text)

    assert redact(once.text) == (once.text, ())


@given(texts)
def test_every_kind_that_is_told_stands_in_the_text(text: str) -> None:
    redacted = redact(text)

    assert set(redacted.kinds) <= set(KINDS)
    assert all(f"[{kind}]" in redacted.text for kind in redacted.kinds)
    assert redacted.kinds or redacted.text == text


@given(st.text(alphabet=st.characters(exclude_categories=["Nd"], exclude_characters="@:-.+_")))
@example("\x00\ud800\U0010ffff")
def test_plain_words_are_untouched(text: str) -> None:
    assert redact(text) == (text, ())


@pytest.mark.parametrize("unit", _UNITS)
def test_time_grows_with_the_length_alone(unit: str) -> None:
    whole = unit * (_SIZE // len(unit.encode()))

    _, part = redact(whole[:64]), _cpu_time(whole[: len(whole) // 8])

    assert _cpu_time(whole) < 8 * 4 * part + 0.5  # squared it were 64 times the part, or minutes


def test_values_are_redacted_and_keys_and_numbers_stay() -> None:
    value: Any = {"a@example.com": ["b@example.com", 4111111111111111, None, {"x": "+14155552671"}]}

    assert redact_values(value) == (
        {"a@example.com": ["[email]", 4111111111111111, None, {"x": "[phone]"}]},
        {"email", "phone"},
    )


def _cpu_time(text: str) -> float:
    begun = time.process_time()
    redact(text)
    return time.process_time() - begun
