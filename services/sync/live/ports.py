"""What live connections need from the outside, and what transports, presence and documents need
from them.

A transport makes a `Peer` of each connection, `await live.connect(peer, caller)` gives its session
(`services.sync.live.api`): each message of the client goes to `session.receive`, one after the
other, and `session.close()` says that the connection is gone.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from libs.auth import Identity
from libs.authorization.engine import Asker
from libs.errors import AppError
from libs.service.caller import Caller
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.live.domain.endings import Ending
from services.sync.live.domain.rooms import Room
from services.sync.ports import ChangeLog


class Frame:
    """One message of the server, encoded at most once for all who get it.

    Attributes:
        message: The ConnectResponse; never changed once it is in a frame.
        number: Of the change that it tells of; 0 for what is no event.
        web_binary, web_text: Finished WebSocket frames, kept here by the transport that makes them.
    """

    __slots__ = ("_binary", "_json", "message", "number", "web_binary", "web_text")

    def __init__(self, message: Any, number: int = 0) -> None:
        self.message, self.number = message, number
        self._binary: bytes | None = None
        self._json: bytes | None = None
        self.web_binary: bytes | None = None
        self.web_text: bytes | None = None

    @property
    def size(self) -> int:
        """Its bytes as protobuf."""
        return len(self.binary)

    @property
    def binary(self) -> bytes:
        """As protobuf."""
        if self._binary is None:
            self._binary = bytes(self.message.SerializeToString())
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

    def look(self) -> None:
        """Ends the connection if the client has gone, which nobody notices by itself while
        nothing is read of it."""

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""


class Frames(Protocol):
    """Makes the frames of what happens in rooms."""

    def event(self, room: str, change: LoggedChange, edit: Any) -> Frame: ...
    def checkpoint(self, room: str, number: int) -> Frame: ...
    def snapshot(
        self, room: str, resources: Sequence[LoggedChange], number: int, *, complete: bool
    ) -> Frame: ...
    def expelled(self, room: str, error: AppError) -> Frame:
        """A room was left that nobody asked to leave."""

    def draining(self, after: timedelta) -> Frame: ...


class LiveLog(ChangeLog, Protocol):
    """The change logs of all tenants, and what they tell of rooms. Every method raises as `after`
    does."""

    async def of(
        self, tenant: TenantId, resource: str, number: int, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        """The changes of one resource numbered above `number`, up to `upto`, at most `limit`."""

    async def latest(self, tenant: TenantId, resource: str) -> LoggedChange | None:
        """The latest change of a resource, if the log has one."""

    async def existing(
        self, tenant: TenantId, room: Room, above: str, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        """The latest change, up to the number `upto`, of each resource of a room, in the order of
        their names, those above a name; deletions included, records left out."""

    async def floor(self, tenant: TenantId) -> int:
        """The changes up to this number were pruned; 0 for none."""


class Rights(Protocol):
    """What policies say of the people of tenants, by now.

    Raises:
        TenantNotFound, TenantSuspended, StoreUnavailable, PoliciesUnusable: As they say.
    """

    async def rules(self, tenant: TenantId) -> object:
        """The same object as long as no answer has changed."""

    async def asker(self, tenant: TenantId, identity: Identity) -> Asker:
        """What answers for somebody in a tenant."""


class PresenceRooms(Protocol):
    """Who is where. Connections are named as `Welcome.connection` says; a room is of the caller's
    tenant. What others do is told through `Tell`."""

    async def enter(self, caller: Caller, room: str, connection: str, device: str) -> Sequence[Any]:
        """Enters a room that the caller may be in: who is in it now, `Presence` messages, the
        caller's own included."""

    def leave(self, tenant: TenantId, room: str, connection: str) -> None:
        """At once here, elsewhere soon. Neither waits nor fails."""

    async def set(self, caller: Caller, connection: str, message: Message) -> None:
        """What a person does: a ConnectRequest.SetPresence.

        Raises:
            AppError: The connection did not enter the room; and as presence says.
        """

    async def list(self, caller: Caller, request: Any) -> Any:
        """The ListPresenceResponse to a ListPresenceRequest, for a caller who may be in the room.

        Raises:
            AppError: As presence says.
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

    async def answer(self, caller: Caller, message: Message) -> Any:
        """Does what a request of DocumentService says, for a caller of whom nothing was asked yet:
        its response.

        Raises:
            AppError: As the method says; the connection goes on.
        """

    async def edits(
        self, tenant: TenantId, document: str, numbers: Sequence[int]
    ) -> Mapping[int, Any]:
        """The `DocumentEdit` of each of these changes of a document, `documents/{id}`, as far as it
        is one and is kept. Nothing is asked of policies: the room did.

        Raises:
            StoreUnavailable: The shard cannot be reached.
        """
