"""Where carets are after operations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ot import Operation, apply
from libs.ot.cursors import move
from tests.unit.ot.strategies import operations, texts


@pytest.mark.parametrize(
    ("place", "operation", "other", "own"),
    [
        (3, (1, "xy"), 5, 5),
        (3, (3, "xy"), 3, 5),
        (3, (4, "xy"), 3, 3),
        (3, (1, -1), 2, 2),
        (3, (1, -4), 1, 1),
        (3, (1, "xy", -4), 3, 3),
        (3, (-3, 1, "xy"), 0, 0),
        (0, ("xy",), 0, 2),
        (3, (-1, 2, "xy", -1), 2, 4),
    ],
)
def test_a_caret_stays_where_it_was(place: int, operation: Operation, other: int, own: int) -> None:
    assert move(place, operation) == other
    assert move(place, operation, own=True) == own


@given(texts, st.data())
def test_a_caret_stays_in_the_text_and_in_order(text: str, data: st.DataObject) -> None:
    operation, own = data.draw(operations(len(text))), data.draw(st.booleans())
    after = [move(place, operation, own=own) for place in range(len(text) + 1)]

    assert after == sorted(after)
    assert after[0] >= 0
    assert after[-1] <= len(apply(text, operation))


@given(texts, st.data())
def test_a_caret_stays_behind_the_code_point_before_it(text: str, data: st.DataObject) -> None:
    """Private code points stand for those of the text, so that each can be found again."""
    marked = "".join(chr(0xF0000 + place) for place in range(len(text)))
    operation = data.draw(operations(len(text)))
    edited = apply(marked, operation)

    for place in range(1, len(marked) + 1):
        if (before := marked[place - 1]) in edited:
            assert move(place, operation) == edited.index(before) + 1


@given(texts, st.data())
def test_who_types_stands_behind_what_was_typed(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    operation = (place, "typed") if place else ("typed",)

    assert move(place, operation, own=True) == place + 5
    assert move(place, operation) == place
