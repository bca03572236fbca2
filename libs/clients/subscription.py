"""Following the change log of a tenant over as many connections as it takes.

Knows nothing of what the changes are used for.
"""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import timedelta

import grpc
from google.rpc import error_details_pb2, status_pb2

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs.errors import AppError, Kind

Metadata = tuple[tuple[str, str], ...]
Call = grpc.aio.UnaryStreamCall[pb.SubscribeRequest, pb.SubscribeResponse]

_SILENCE = timedelta(seconds=60)  # servers send checkpoints more often than this
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0  # seconds
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class ChangesOutOfOrder(AppError):
    """A server sent a change twice or left one out: what was derived from them is worth nothing."""

    kind, reason = Kind.CONFLICT, "CHANGES_OUT_OF_ORDER"

    def __init__(self, last: int, received: int) -> None:
        super().__init__(
            f"Received {received} after {last}.", last=str(last), received=str(received)
        )


class Subscription:
    """The changes of a tenant; iterating it ends only with an error.

    Attributes:
        number: Everything up to it was received, or is about other collections: give it as `since`
            to go on in another process. None until a server has said where "from now on" begins.
    """

    def __init__(
        self,
        stub: pb_grpc.SyncServiceAsyncStub,
        since: int | None = None,
        collections: Sequence[str] = (),
        *,
        metadata: Callable[[], Metadata] = tuple,
        silence: timedelta = _SILENCE,
    ) -> None:
        """
        Args:
            since: The last number seen; None for the changes from now on.
            collections: Only resources of these; all when empty.
            metadata: Asked before each connection; for channels that do not add the token.
            silence: After so long without a message the connection is given up for another.
        """
        self.number = since
        self._stub, self._metadata = stub, metadata
        self._collections, self._silence = tuple(collections), silence.total_seconds()

    async def __aiter__(self) -> AsyncGenerator[Change, None]:
        """Every change once, in order, across lost connections and restarts of servers.

        Raises:
            ChangesOutOfOrder: As it says.
            grpc.aio.AioRpcError: What a new connection would not change.
        """
        failures = 0
        while True:
            call, accepted, delay = self._connect(), False, 0.0
            try:
                while (response := await self._read(call)) is not None:
                    accepted, failures = True, 0
                    self.number = advance(self.number, response, filtered=bool(self._collections))
                    if response.HasField("change"):
                        yield response.change
            except grpc.aio.AioRpcError as error:
                _heed_cancellation()
                delay = _delay(error, accepted=accepted)
            finally:
                call.cancel()
            await asyncio.sleep(delay + _pause(failures))
            failures += 1

    def _connect(self) -> Call:
        request = pb.SubscribeRequest(since=self.number, collections=self._collections)
        return self._stub.Subscribe(request, metadata=self._metadata())

    async def _read(self, call: Call) -> pb.SubscribeResponse | None:
        """The next message; None when the connection is gone or mute."""
        try:
            async with asyncio.timeout(self._silence):
                response = await call.read()
        except TimeoutError:
            return None
        _heed_cancellation()
        return response if isinstance(response, pb.SubscribeResponse) else None


def _heed_cancellation() -> None:
    """A call that is cancelled as it ends may give its end instead: then nobody would stop."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def advance(number: int | None, response: pb.SubscribeResponse, *, filtered: bool) -> int:
    """How far a subscription that was at `number` is after this message.

    A checkpoint says itself that nothing before it is missing.

    Raises:
        ChangesOutOfOrder: Something is missing or doubled, as far as can be told: filtered
            subscriptions have gaps.
    """
    if response.HasField("change"):
        received, least = response.change.number, 1
    else:
        received, least, filtered = response.checkpoint, 0, True
    step = least if number is None else received - number
    if step < least or (step > least and not filtered):
        raise ChangesOutOfOrder(number or 0, received)
    return received


def _delay(error: grpc.aio.AioRpcError, *, accepted: bool) -> float:
    """Seconds that the server wants to be left alone; raises `error` if another try is no use."""
    if error.code() is grpc.StatusCode.UNAUTHENTICATED and accepted:
        return 0.0  # the token has expired meanwhile; a new one is asked for
    if error.code() not in _LOST:
        raise error
    return _retry_delay(error.trailing_metadata() or ())


def _retry_delay(trailer: Iterable[tuple[str, str | bytes]]) -> float:
    """What RetryInfo says, in seconds."""
    status, info = status_pb2.Status(), error_details_pb2.RetryInfo()
    status.ParseFromString(dict(trailer).get("grpc-status-details-bin", b""))
    for detail in status.details:
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return 0.0


def _pause(failures: int) -> float:
    """Seconds at random, more with each failure, so that clients do not come all at once."""
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10)))
