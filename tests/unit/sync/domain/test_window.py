"""The window gives all that follows a number, or says that it cannot."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sync.domain.window import Window


@dataclass(frozen=True)
class Row:
    number: int


def rows(first: int, count: int) -> list[Row]:
    return [Row(number) for number in range(first, first + count)]


@given(
    head=st.integers(0, 1000),
    size=st.integers(1, 20),
    batches=st.lists(st.integers(0, 30), max_size=8),
    data=st.data(),
)
def test_all_or_none(head: int, size: int, batches: list[int], data: st.DataObject) -> None:
    window = Window[Row](head, size)
    for count in batches:
        window.extend(rows(window.head + 1, count))
    newest = head + sum(batches)
    number = data.draw(st.integers(max(0, head - 3), newest + 3))

    recent = window.after(number)

    assert window.head == newest
    if number >= max(head, newest - size):
        assert recent == rows(number + 1, max(0, newest - number))
    else:
        assert recent is None


@given(st.integers(0, 10), st.integers(-3, 3).filter(lambda step: step != 1))
def test_what_does_not_follow_is_refused(head: int, step: int) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        Window[Row](head, 5).extend([Row(head + step)])
