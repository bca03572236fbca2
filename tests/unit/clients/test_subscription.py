"""How far a subscription is after a message, and which messages cannot be."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import sync_pb2 as pb
from libs.clients.subscription import ChangesOutOfOrder, Subscription, advance

if TYPE_CHECKING:
    from aeterna.sync.v1.sync_pb2_grpc import SyncServiceAsyncStub

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
def test_checkpoints_stay_or_go_up(at: int, step: int, filtered: bool) -> None:
    if step >= 0:
        assert advance(at, mark(at + step), filtered=filtered) == at + step
    else:
        with pytest.raises(ChangesOutOfOrder):
            advance(at, mark(at + step), filtered=filtered)


@given(numbers, st.booleans())
def test_the_first_checkpoint_may_be_anywhere(at: int, filtered: bool) -> None:
    assert advance(None, mark(at), filtered=filtered) == at


class EndingCall:
    """A call that ends at the moment it is cancelled, and tells its end alone."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()

    async def read(self) -> Any:
        self.reading.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return grpc.aio.EOF

    def cancel(self) -> None:
        pass


class EndingStub:
    """Always the same call."""

    def __init__(self, call: EndingCall) -> None:
        self._call = call

    def Subscribe(self, request: pb.SubscribeRequest, **_: Any) -> EndingCall:
        return self._call


async def test_who_is_cancelled_as_the_call_ends_stops() -> None:
    call = EndingCall()
    following = asyncio.create_task(
        anext(aiter(Subscription(cast("SyncServiceAsyncStub", EndingStub(call)), 0)))
    )
    await call.reading.wait()

    following.cancel()

    done, _ = await asyncio.wait([following], timeout=5)
    assert done == {following}
    assert following.cancelled()
