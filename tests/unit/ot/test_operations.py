"""The algebra of operations: what has to hold for any text and any operations on it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ot import (
    NOTHING,
    Misfit,
    Operation,
    Part,
    apply,
    compose,
    growth,
    invert,
    normal,
    past_all,
    reach,
    transform,
    transform_both,
)
from tests.unit.ot.strategies import operations, texts


@given(texts, st.data())
def test_two_operations_on_one_text_converge(text: str, data: st.DataObject) -> None:
    left, right = (data.draw(operations(len(text))) for _ in "ab")
    left_after, right_after = transform_both(left, right)

    assert apply(apply(text, left), right_after) == apply(apply(text, right), left_after)
    assert compose(left, right_after) == compose(right, left_after)


@given(texts, st.data())
def test_a_composition_does_what_its_operations_do(text: str, data: st.DataObject) -> None:
    first = data.draw(operations(len(text)))
    then = data.draw(operations(len(apply(text, first))))

    assert apply(text, compose(first, then)) == apply(apply(text, first), then)


@given(texts, st.data())
def test_compositions_are_associative(text: str, data: st.DataObject) -> None:
    made, length = [], len(text)
    for _ in range(3):
        made.append(data.draw(operations(length)))
        length += growth(made[-1])
    one, two, three = made

    assert compose(compose(one, two), three) == compose(one, compose(two, three))
    assert compose(one, NOTHING) == one == compose(NOTHING, one)


@given(texts, st.data())
def test_an_inverse_takes_back(text: str, data: st.DataObject) -> None:
    operation = data.draw(operations(len(text)))
    inverse = invert(operation, text)

    assert apply(apply(text, operation), inverse) == text
    assert invert(inverse, apply(text, operation)) == operation


@given(texts, st.data())
def test_results_are_in_normal_form(text: str, data: st.DataObject) -> None:
    one, two = (data.draw(operations(len(text))) for _ in "ab")
    then = data.draw(operations(len(apply(text, one))))

    for result in (one, compose(one, then), invert(one, text), *transform_both(one, two)):
        assert _is_normal(result)
        assert normal(result) == result


def _is_normal(operation: Operation) -> bool:
    kinds = [_kind(part) for part in operation]
    neighbours = list(pairwise(kinds))
    return (
        all(operation)
        and not any(one == other for one, other in neighbours)
        and ("delete", "insert") not in neighbours
        and kinds[-1:] != ["keep"]
    )


def _kind(part: Part) -> str:
    if isinstance(part, str):
        return "insert"
    return "keep" if part > 0 else "delete"


@given(texts, st.data())
def test_lengths_are_told_without_the_text(text: str, data: st.DataObject) -> None:
    operation = data.draw(operations(len(text)))

    assert len(apply(text, operation)) == len(text) + growth(operation)
    assert reach(operation) <= len(text)
    if reach(operation):
        with pytest.raises(Misfit, match=f"needs {reach(operation)} code points"):
            apply(text[: reach(operation) - 1], operation)


@given(texts, st.data())
def test_no_transform_loses_an_insert(text: str, data: st.DataObject) -> None:
    one, two = (data.draw(operations(len(text))) for _ in "ab")

    for side in ("left", "right"):
        after = transform(one, two, side)
        assert _inserted(after) == _inserted(one)


def _inserted(operation: Operation) -> str:
    return "".join(part for part in operation if isinstance(part, str))


@given(texts, st.data())
def test_a_side_decides_between_inserts_at_one_place(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    one, two = normal([place, "one"]), normal([place, "two"])

    assert apply(apply(text, two), transform(one, two, "left")) == (
        text[:place] + "onetwo" + text[place:]
    )
    assert apply(apply(text, two), transform(one, two, "right")) == (
        text[:place] + "twoone" + text[place:]
    )


@given(texts, st.data())
def test_past_several_is_past_one_after_the_other(text: str, data: st.DataObject) -> None:
    operation, first = (data.draw(operations(len(text))) for _ in "ab")
    then = data.draw(operations(len(apply(text, first))))

    expected = transform(transform(operation, first, "right"), then, "right")
    assert past_all(operation, [first, then]) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], ()),
        ([3], ()),
        ([0, "", 2, "", "x", 0], (2, "x")),
        ([1, 1, "x", "y", -1, -2, 4], (2, "xy", -3)),
        ([-1, "x", -1, "y"], ("xy", -2)),
        ([-1, 2, "x", 1], (-1, 2, "x")),
    ],
)
def test_any_parts_have_a_normal_form(parts: list[Part], expected: Operation) -> None:
    assert normal(parts) == expected


def test_lengths_are_in_code_points() -> None:
    family = "👨‍👩‍👧"  # five code points, eight UTF-16 units, eighteen bytes

    assert apply(family, (2, -2)) == "👨‍👧"
    assert apply("e\u0301x", (1, -1)) == "ex"
    assert apply("😀😀", (1, "🇨🇭")) == "😀🇨🇭😀"
