"""Requests that are answered: kept until they are, over as many connections as it takes.

Every request that changes something has a request id, so that one whose answer was lost is sent
again without being done twice.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc
from google.protobuf.message import Message

from aeterna.sync.v1 import live_pb2 as pb
from libs.clients import ClientError
from libs.clients.outgoing import with_request_id
from libs.errors import FieldViolation
from libs.live.pauses import Pauses
from libs.live.wire import request

MOST = 10_000  # requests that wait
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_PASSING = frozenset({"DOCUMENT_BUSY", "CALL_RATE_LIMITED"})  # likewise again
_LASTING = frozenset({"TOO_MANY_ROOMS"})  # until the program leaves another

Send = Callable[[pb.ConnectRequest], bool]  # whether there was a connection to send it by


class Cut(Exception):
    """The connection ended between a request and its answer: what came of it is not known."""


@dataclass(slots=True)
class _Asked:
    """A request that waits."""

    message: pb.ConnectRequest
    answer: asyncio.Future[pb.ConnectResponse]
    once: bool  # not to be sent again once it was
    sent: bool = False


class Asking:
    """Requests that wait for their answers, in the order in which they were made."""

    def __init__(self, send: Send, pauses: Pauses) -> None:
        self._send, self._pauses = send, pauses
        self._waiting: dict[str, _Asked] = {}
        self._numbers = count(1)
        self._limit = 0

    async def ask(self, message: Message, *, once: bool = False) -> Any:
        """The answer, however long it takes.

        Args:
            once: Raise Cut rather than send it again when its connection has ended.
        Raises:
            ClientError: It was refused; not for what passes by itself.
        """
        message, failures = with_request_id(message), 0
        while True:
            answer = await self._once(message, once=once)
            kind = answer.WhichOneof("message")
            if kind != "error":
                return getattr(answer, kind or "done")
            if not _passes(answer.error):
                raise error_of(answer.error)
            await asyncio.sleep(self._pauses.after(failures))
            failures += 1

    def resume(self, limit: int) -> None:
        """Sends all of them on a new connection, on which messages may have so many bytes."""
        self._limit = limit
        for each in list(self._waiting.values()):
            if each.sent and each.once and not each.answer.done():
                each.answer.set_exception(Cut())
            else:
                self._deliver(each)

    def hear(self, message: pb.ConnectResponse) -> bool:
        """Whether the message answers one of them."""
        asked = self._waiting.get(message.reply_to)
        if asked is None or asked.answer.done():
            return False
        asked.answer.set_result(message)
        return True

    def end(self, error: Exception) -> None:
        """None of them will be answered any more."""
        for each in self._waiting.values():
            if not each.answer.done():
                each.answer.set_exception(error)

    async def _once(self, message: Message, *, once: bool) -> pb.ConnectResponse:
        if len(self._waiting) >= MOST:
            raise ClientError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MOST} requests wait already.", "QUEUE_FULL"
            )
        identity = f"q{next(self._numbers)}"
        answer: asyncio.Future[pb.ConnectResponse] = asyncio.get_running_loop().create_future()
        asked = self._waiting[identity] = _Asked(request(identity, message), answer, once)
        try:
            self._deliver(asked)
            return await answer
        finally:
            del self._waiting[identity]

    def _deliver(self, asked: _Asked) -> None:
        if self._limit and asked.message.ByteSize() > self._limit:
            if not asked.answer.done():
                asked.answer.set_exception(_too_large(self._limit))
        else:
            asked.sent = self._send(asked.message) or asked.sent


def _too_large(limit: int) -> ClientError:
    message = f"The server takes messages of {limit} bytes at most."
    return ClientError(grpc.StatusCode.INVALID_ARGUMENT, message, "MESSAGE_TOO_LARGE")


def _passes(error: pb.ConnectResponse.Error) -> bool:
    """Whether the same request may be answered otherwise a moment later."""
    return error.code == grpc.StatusCode.UNAVAILABLE.value[0] or error.reason in _PASSING


def error_of(error: pb.ConnectResponse.Error) -> ClientError:
    """What an error of the protocol is to a program."""
    violations = tuple(FieldViolation(path, error.fields[path]) for path in sorted(error.fields))
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    return ClientError(code, error.message, error.reason, dict(error.metadata), violations)


def keeps_out(error: ClientError) -> bool:
    """Whether a room that answered so would answer the same a moment later."""
    passing = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    return error.code not in passing or error.reason in _LASTING
