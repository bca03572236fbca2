from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding.wording import Grade, Signature, exact_form, grade, wording


def signature(text: str) -> Signature:
    """As the cache keeps it, but for the digests."""
    found = wording(text)
    aspects = {group: aspect.encode() for group, aspect in found.aspects.items()}
    return Signature(aspects, found.context, found.names)


def difference(one: str, other: str) -> Grade | None:
    """The kind of rewording between two texts; None when they are two questions."""
    if wording(one).form != wording(other).form:
        return None
    return grade(signature(one), signature(other))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("What's the colour of gold?", "what is the color of gold", Grade.LETTERS),
        ("Is it 10,000 km?", "is it 10000 km", Grade.LETTERS),
        ("How do I set up wi-fi?", "how do I set up wifi", Grade.LETTERS),
        ("Who is the owner of the house?", "Who is owner of house?", Grade.ARTICLES),
        ("How can I learn Dutch?", "How to learn Dutch?", Grade.FRAMES),
        ("Which language is spoken there?", "What language is spoken there", Grade.FRAMES),
        ("What does idempotent mean?", "What is the meaning of idempotent?", Grade.FRAMES),
        ("Who owns it, please?", "Who owns it?", Grade.FRAMES),
        ("What is the difference between tea and coffee?",
         "What is the difference between coffee and tea?", Grade.FRAMES),
        ("Why do cats purr?", "Why does a cat purr?", Grade.PLURAL),
        ("What is the best way to learn Dutch?", "How do I learn Dutch?", Grade.WIDE),
        ("How do we bake bread?", "How do I bake bread?", Grade.WIDE),
        ("What is my balance?", "what's my balance", Grade.CONTEXT),
    ],
)  # fmt: skip
def test_harmless_rewordings_are_told_apart_by_kind(one: str, other: str, expected: Grade) -> None:
    assert difference(one, other) is expected
    assert difference(other, one) is expected
    assert difference(one, one) in (Grade.LETTERS, Grade.CONTEXT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Should I use it?", "Should I not use it?"),
        ("Can I use it?", "Can't I use it?"),
        ("She is really happy.", "She is not really happy."),
        ("Is it safe?", "Is it unsafe?"),
        ("What happened in 1992?", "What happened in 1929?"),
        ("It is 5 degrees.", "It is -5 degrees."),
        ("Is x <= 3?", "Is x < 3?"),
        ("5 mg of iron", "5 kg of iron"),
        ("a 5 MB file", "a 5 Mb file"),
        ("How do I learn C?", "How do I learn C++?"),
        ("Who moved to the US?", "Who moved to us?"),
        ("When was Adam Smith born?", "When was Adams Smith born?"),
        ("How do I fly from Paris to Rome?", "How do I fly from Rome to Paris?"),
        ("Why do dogs chase cats?", "Why do cats chase dogs?"),
        ("Few students passed.", "A few students passed."),
        ("What is vitamin A?", "What is vitamin?"),
        ("What is it?", "What was it?"),
        ("Can I go?", "Must I go?"),
        ("How do I feel?", "How do you feel?"),
        ("Where is the owner?", "Who is the owner?"),
        ("He owes ten euros.", "It is so? He owes ten euros."),
    ],
)
def test_other_questions_are_never_joined(one: str, other: str) -> None:
    assert difference(one, other) is None
    assert exact_form(one) != exact_form(other)


@given(st.text(max_size=80), st.sampled_from(["", " ", "  ", "?", " ?!", "\n", "..."]))
def test_closing_marks_and_space_never_make_another_text(text: str, end: str) -> None:
    assert exact_form(f" {text} {end}") == exact_form(text)


@given(st.text(max_size=80))
def test_any_text_is_its_own_rewording(text: str) -> None:
    assert grade(signature(text), signature(text)) in (Grade.LETTERS, Grade.CONTEXT)


_WORDS = ["the", "a", "what", "is", "are", "not", "5", "-5", "US", "may", "how", "can", "i", "best"]


@given(st.lists(st.sampled_from(_WORDS), max_size=8), st.data())
def test_a_negation_or_a_number_is_never_lost(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words)))
    extra: Any = data.draw(st.sampled_from(["not", "never", "7", "seven", "Rome"]))
    text = " ".join(words)
    other = " ".join([*words[:place], extra, *words[place:]])

    assert difference(text, other) is None
