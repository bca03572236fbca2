"""Operations found between texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ot import Operation, apply, growth, normal, reach
from libs.ot.diff import diff, merge
from libs.ot.operations import MOST_PARTS
from tests.unit.ot.strategies import operations, texts


@given(texts, texts)
def test_a_diff_makes_one_text_of_the_other(old: str, new: str) -> None:
    operation = diff(old, new)

    assert apply(old, operation) == new
    assert normal(operation) == operation


@given(st.lists(texts, max_size=8), st.lists(texts, max_size=8))
def test_so_it_does_with_lines(old: list[str], new: list[str]) -> None:
    assert apply("\n".join(old), diff("\n".join(old), "\n".join(new))) == "\n".join(new)


@given(texts, st.data())
def test_equal_texts_differ_in_nothing(text: str, data: st.DataObject) -> None:
    assert diff(text, text) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "x", ("x",)),
        ("x", "", (-1,)),
        ("one two three", "one 2 three", (4, "2", -3)),
        ("one two three", "one too three", (5, "o", -1)),
        ("a\nb\nc\n", "a\nc\n", (2, -2)),
        ("a\nb\nc\n", "a\nx\nb\nc\nd\n", (2, "x\n", 4, "d\n")),
        ("the cat sat\nhere\n", "the dog sat\nthere\n", (4, "dog", -3, 5, "t")),
    ],
)
def test_what_is_alike_is_kept(old: str, new: str, expected: Operation) -> None:
    assert diff(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("👨‍👩‍👧", "👨‍👩‍👦", ("👨‍👩‍👦", -5)),
        ("👍🏽", "👍🏿", ("👍🏿", -2)),
        ("🇨🇭", "🇨🇦", ("🇨🇦", -2)),
        ("e\u0301", "e\u0300", ("e\u0300", -2)),
        ("a\r\nb", "a\nb", (1, "\n", -2)),
    ],
)
def test_no_character_is_cut_in_two(old: str, new: str, expected: Operation) -> None:
    assert diff(old, new) == expected


def test_long_texts_that_have_nothing_in_common_take_no_longer_than_their_length() -> None:
    old = "\n".join(f"old {line} {line * 7}" for line in range(20_000))
    new = "\n".join(f"new {line} {line * 11}" for line in range(20_000))

    assert apply(old, diff(old, new)) == new


def test_many_small_changes_of_a_long_text_are_small() -> None:
    lines = [f"line {line} of the text" for line in range(8_000)]
    changed = [line if number % 2 else f"{line} here" for number, line in enumerate(lines)]
    operation = diff("\n".join(lines), "\n".join(changed))

    assert apply("\n".join(lines), operation) == "\n".join(changed)
    assert growth(operation) == sum(len(part) for part in operation if isinstance(part, str))


def test_more_changes_than_a_request_takes_are_one() -> None:
    old = "\n".join(f"line {line}" for line in range(20_000))
    new = old.replace("line", "row")

    assert apply(old, diff(old, new)) == new
    assert len(diff(old, new)) <= MOST_PARTS


def test_a_small_change_of_a_long_text_is_small() -> None:
    old = "\n".join(f"line {line}" for line in range(20_000))
    new = old.replace("line 500\n", "").replace("line 15000", "line 15000 and more")
    operation = diff(old, new)

    assert apply(old, operation) == new
    assert len(operation) == 4
    assert growth(operation) == len(" and more") - len("line 500\n")


@given(texts, st.data())
def test_what_was_edited_without_operations_is_merged(text: str, data: st.DataObject) -> None:
    others = data.draw(operations(len(text)))
    edited = apply(text, data.draw(operations(len(text))))
    merged = merge(text, edited, [others])

    assert reach(merged) <= len(apply(text, others))
    assert merge(text, edited, []) == diff(text, edited)
    assert merge(text, text, [others]) == ()


def test_two_changes_of_one_sentence_read_as_words() -> None:
    old = "The service keeps memories for a day."
    others = diff(old, "The service keeps all memories for a day.")
    merged = merge(old, "The service keeps memories for a whole week.", [others])

    assert apply(apply(old, others), merged) == ("The service keeps all memories for a whole week.")
