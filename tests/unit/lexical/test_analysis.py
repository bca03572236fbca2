"""Which terms a text has."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.lexical.analysis import END, STOP_WORDS, terms, words, words_and_ends


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("painting", "paintings"),
        ("Caroline's", "caroline"),
        ("Caroline\u2019s", "CAROLINE"),
        ("the dogs\u2019 toys", "dog toy"),
        ("running", "run"),
        ("ﬁnance", "finance"),
        ("cafe\u0301", "café"),
        ("Straße", "STRASSE"),
    ],
)
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize(
    ("one", "other"), [("2023", "2022"), ("v1", "v2"), ("c", "d"), ("run", "ruin")]
)
def test_other_words_are_other_terms(one: str, other: str) -> None:
    assert terms(one).keys().isdisjoint(terms(other))


def test_stop_words_and_punctuation_are_no_terms() -> None:
    assert terms("What is it, and why wasn't she there?! ...") == Counter()
    assert terms("") == terms(" \n\t\u2014\u2026🦊_") == Counter()


def test_terms_are_counted() -> None:
    assert terms("A cat, two cats; no dog.") == Counter({"cat": 2, "two": 1, "dog": 1})


def test_writing_without_spaces_becomes_pairs() -> None:
    assert terms("東京都") == Counter({"東京": 1, "京都": 1})
    assert terms("都") == Counter({"都": 1})
    assert terms("iPhoneを買う")["iphon"] == 1
    assert terms("京都") & terms("東京都のホテル") == Counter({"京都": 1})


def test_a_long_sentence_without_spaces_is_found_by_its_end() -> None:
    sentence = "".join(chr(0x4E00 + number) for number in range(200))

    assert terms(sentence).keys() >= terms(sentence[-2:]).keys()


def test_a_word_without_end_is_cut() -> None:
    assert terms("x" * 10_000) == terms("x" * 64)


@given(st.text())
def test_words_are_words_of_their_own(text: str) -> None:
    for word in words(text):
        assert words(word) == [word]
        assert 0 < len(word) <= 64


def test_stop_words_are_written_as_words_are_found() -> None:
    assert all(words(word) == [word] for word in STOP_WORDS)


ODD_TEXTS = ["", "x" * 100, "東京都", END, "it\u2019s", "\u0301e"]


@given(st.lists(st.text() | st.sampled_from(ODD_TEXTS)))
def test_words_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    assert words_and_ends(texts) == [word for text in texts for word in (*words(text), END)]
