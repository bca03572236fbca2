"""What live connections need from the outside, and what transports, presence and documents need
from them.

A transport makes a `Peer` of each connection, `await live.connect(peer, caller)` gives its session
(`services.sync.live.api`): each message of the client goes to `session.receive`, one after the
other, and `session.close()` says that the connection is gone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from libs.service.caller import Caller
from libs.tenancy import TenantId
from services.sync.live.domain.endings import Ending


class Frame:
    """One message of the server, encoded at most once for all who get it.

    Attributes:
        message: The ConnectResponse; never changed once it is in a frame.
        number: Of the change that it tells of; 0 for what is no event.
        web_binary, web_text: Finished WebSocket frames, kept here by the transport that makes them.
    """

    __slots__ = ("_binary", "_json", "message", "number", "web_binary", "web_text")

    def __init__(self, message: Message, number: int = 0) -> None:
        self.message, self.number = message, number
        self._binary: bytes | None = None
        self._json: bytes | None = None
        self.web_binary: bytes | None = None
        self.web_text: bytes | None = None

    @property
    def binary(self) -> bytes:
        """As protobuf."""
        if self._binary is None:
            self._binary = self.message.SerializeToString()
        return self._binary

    @property
    def json(self) -> bytes:
        """As proto3 JSON, in UTF-8."""
        if self._json is None:
            fields = MessageToDict(self.message)
            self._json = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        return self._json


class Peer(Protocol):
    """The far end of a connection, whatever carries it. After `end`, and once the connection is
    gone, `send` and `end` do nothing."""

    def send(self, frame: Frame) -> None:
        """Never waits, never fails. What the client is slow to take counts in `waiting`."""

    def end(self, ending: Ending) -> None:
        """Sends what there is, then closes. Neither waits nor fails; a client that takes nothing
        is cut off by the transport after a moment."""

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""


class PresenceRooms(Protocol):
    """Who is where. Connections are named as `Welcome.connection` says; a room is of the caller's
    tenant. What others do is told through `Tell`."""

    async def enter(
        self, caller: Caller, room: str, connection: str, device: str
    ) -> Sequence[Message]:
        """Enters a room that the caller may be in: who is in it now, `Presence` messages, the
        caller's own included."""

    def leave(self, tenant: TenantId, room: str, connection: str) -> None:
        """At once here, elsewhere soon. Neither waits nor fails."""

    async def set(self, caller: Caller, connection: str, message: Message) -> None:
        """What a person does: a ConnectRequest.SetPresence.

        Raises:
            AppError: The connection did not enter the room; and as presence says.
        """

    def heard(self, tenant: TenantId, connection: str) -> None:
        """A sign of life. Called for each message of a client that is in a room; never waits."""


class Tell(Protocol):
    """Sends to those in a room who entered it with `presence`."""

    def __call__(self, tenant: TenantId, room: str, message: Message) -> None:
        """Sends a ConnectResponse that answers nothing. Never waits, never fails; a room that
        nobody here is in is no error."""


class Documents(Protocol):
    """Documents, as the messages of a connection ask for them."""

    async def answer(self, caller: Caller, message: Message) -> Message:
        """Does what a request of DocumentService says, for a caller of whom nothing was asked yet:
        its response.

        Raises:
            AppError: As the method says; the connection goes on.
        """

    async def edits(
        self, tenant: TenantId, document: str, numbers: Sequence[int]
    ) -> Mapping[int, Message]:
        """The `DocumentEdit` of each of these changes of a document, `documents/{id}`, as far as it
        is one and is kept. Nothing is asked of policies: the room did.

        Raises:
            StoreUnavailable: The shard cannot be reached.
        """
