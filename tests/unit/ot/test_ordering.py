"""What a server makes of an operation on an earlier version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ot import Misfit, Operation, apply, growth, past_all
from libs.ot.ordering import place
from tests.unit.ot.strategies import operations, texts


@given(texts, st.data())
def test_an_operation_follows_the_edits_since(text: str, data: st.DataObject) -> None:
    operation = data.draw(operations(len(text)))
    since, now = _edits(text, data)

    assert place(operation, since, len(now)) == past_all(operation, since)


@given(texts, st.data())
def test_one_that_did_not_fit_its_version_is_refused(text: str, data: st.DataObject) -> None:
    """Even where it would fit the text of now."""
    since, now = _edits(text, data)

    with pytest.raises(Misfit) as raised:
        place((len(text) + 1, "x"), since, len(now))
    assert (raised.value.needed, raised.value.length) == (len(text) + 1, len(text))


def test_who_was_ordered_first_stands_first() -> None:
    first, then = (1, "first "), (1, "then ")

    placed = place(then, [first], 2 + growth(first))
    assert apply(apply("ab", first), placed) == "afirst then b"


def _edits(text: str, data: st.DataObject) -> tuple[list[Operation], str]:
    edits: list[Operation] = []
    for _ in range(data.draw(st.integers(0, 4))):
        edits.append(data.draw(operations(len(text))))
        text = apply(text, edits[-1])
    return edits, text
