"""How far a subscription is after a message, and which messages cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import sync_pb2 as pb
from libs.clients.subscription import ChangesOutOfOrder, advance

numbers = st.integers(0, 2**62)


def change(number: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(change=Change(number=number))


def mark(number: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(checkpoint=number)


@given(numbers, st.integers(-3, 3), st.booleans())
def test_changes_go_up_by_one_or_when_filtered_by_more(at: int, step: int, filtered: bool) -> None:
    if step == 1 or (filtered and step > 1):
        assert advance(at, change(at + step), filtered=filtered) == at + step
    else:
        with pytest.raises(ChangesOutOfOrder):
            advance(at, change(at + step), filtered=filtered)


@given(numbers, st.integers(-3, 3), st.booleans())
def test_checkpoints_stay_or_when_filtered_go_up(at: int, step: int, filtered: bool) -> None:
    if step == 0 or (filtered and step > 0):
        assert advance(at, mark(at + step), filtered=filtered) == at + step
    else:
        with pytest.raises(ChangesOutOfOrder):
            advance(at, mark(at + step), filtered=filtered)


@given(numbers, st.booleans())
def test_the_first_checkpoint_may_be_anywhere(at: int, filtered: bool) -> None:
    assert advance(None, mark(at), filtered=filtered) == at
