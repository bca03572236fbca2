"""What a client hears in one room: each event once, in order, over however many connections."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from aeterna.sync.v1 import documents_pb2, live_pb2
from aeterna.sync.v1.live_pb2 import ConnectRequest, ConnectResponse, Cursor, Presence
from libs.clients import ClientError
from libs.live.pauses import Seldom

Event = ConnectResponse.Event

_ACKNOWLEDGING, _SAYING = 1.0, 0.2  # seconds between two messages of a room that may wait


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there was in a room at a number; the events that follow are what has changed since.

    Attributes:
        resources: Names of what there was, each with the number of its latest change.
        document: The room's document, where it is one.
    """

    number: int
    resources: Mapping[str, int]
    document: documents_pb2.Document | None


@dataclass(slots=True)
class _Parts:
    """Of a snapshot, as they come."""

    resources: dict[str, int] = field(default_factory=dict)
    document: documents_pb2.Document | None = None


class Outgoing(Protocol):
    """Sends a message if there is a connection; nothing else."""

    def __call__(self, message: ConnectRequest) -> object: ...


class Room:
    """A room that a client is in. Iterate it for its events, in one place only: an event counts as
    dealt with, and is acknowledged, when the next one is asked for.

    Attributes:
        name: As of the protocol.
        number: Every event up to it was dealt with: give it as `since` to go on in another process.
            None until the server has said where "from now on" begins.
        people: Who is in the room, by connection, if it was entered with `presence`.
        connections, persons: How many, also where the room is too large to tell who.
    """

    def __init__(
        self, subscribe: ConnectRequest.Subscribe, send: Outgoing, left: Callable[["Room"], None]
    ) -> None:
        self.name = subscribe.room
        self.number = subscribe.since if subscribe.HasField("since") else None
        self.people: dict[str, Presence] = {}
        self.connections = self.persons = 0
        self._subscribe, self._send, self._left = subscribe, send, left
        self._received = self.number  # what came, dealt with or not: where a connection resumes
        self._dealt_with = 0  # events since the last acknowledgement
        self._acknowledge_soon = Seldom(self._acknowledge, _ACKNOWLEDGING)
        self._tell_others = Seldom(self._say, _SAYING)
        self._waiting = deque[Event | int]()  # ints are checkpoints
        self._parts = _Parts()
        self._snapshot: asyncio.Future[Snapshot] | None = None
        self._entered = asyncio.Event()
        self._news = asyncio.Event()
        self._said: ConnectRequest.SetPresence | None = None
        self._listeners: list[asyncio.Queue[ConnectResponse.PresenceUpdate | None]] = []
        self._error: ClientError | None = None
        self._ended = False

    # ---- what a program asks for -----------------------------------------------------------------
    async def entered(self) -> None:
        """Returns once the room is entered.

        Raises:
            ClientError: It will never be.
        """
        await self._entered.wait()
        self._check()

    async def snapshot(self) -> Snapshot:
        """What there was in the room, if it was entered with `snapshot`.

        Raises:
            ClientError: The room has ended first.
        """
        if not self._subscribe.snapshot:
            raise ValueError("enter the room with snapshot=True")
        return await asyncio.shield(self._future())

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """Each event once, in order; ends when the room is left.

        Raises:
            ClientError: The room has ended otherwise: the policies no longer allow it, or the log
                no longer reaches back to `number`.
        """
        while True:
            while self._waiting:
                item = self._waiting.popleft()
                if isinstance(item, int):
                    self._dealt(item)
                    continue
                yield item
                self._dealt(item.number)
            self._acknowledge_soon()
            if self._ended:
                self._check()
                return
            self._news.clear()
            await self._news.wait()

    async def presence(self) -> AsyncIterator[ConnectResponse.PresenceUpdate]:
        """Who is there, then who comes, goes or does something; `people` is then up to date."""
        updates = asyncio.Queue[ConnectResponse.PresenceUpdate | None]()
        self._listeners.append(updates)
        try:
            if self.people:
                yield self._update(self.people.values())
            while (update := await updates.get()) is not None:
                yield update
            self._check()
        finally:
            self._listeners.remove(updates)

    def say(
        self,
        state: live_pb2.PresenceState.ValueType = live_pb2.PRESENCE_STATE_ACTIVE,
        cursor: Cursor | None = None,
    ) -> None:
        """Tells the others in the room what this person does; said again after a reconnect."""
        self._said = ConnectRequest.SetPresence(room=self.name, state=state, cursor=cursor)
        self._tell_others()

    def leave(self) -> None:
        """Leaves the room; its iterators end once they have given what came before."""
        if not self._ended:
            message = ConnectRequest.Unsubscribe(room=self.name)
            self._send(ConnectRequest(unsubscribe=message))
            self.end(None)

    # ---- what the client tells it ----------------------------------------------------------------
    def subscription(self) -> ConnectRequest.Subscribe:
        """What enters the room on a new connection: from where the last one ended."""
        message = ConnectRequest.Subscribe()
        message.CopyFrom(self._subscribe)
        self._parts = _Parts()
        if self._received is not None:
            message.snapshot, message.since = False, self._received
        return message

    def hear(self, message: ConnectResponse) -> None:
        """A message of the server that is about this room."""
        match message.WhichOneof("message"):
            case "subscribed":
                self._begin(message.subscribed.number)
            case "event":
                self._take(message.event.number, message.event)
            case "checkpoint":
                self._take(message.checkpoint.number, message.checkpoint.number)
            case "snapshot":
                self._collect(message.snapshot)
            case "presence":
                self._see(message.presence)

    def end(self, error: ClientError | None) -> None:
        """Nothing comes any more."""
        self._error, self._ended = error, True
        self._entered.set()
        self._news.set()
        if self._snapshot and not self._snapshot.done():
            self._snapshot.set_exception(error or _left_early(self.name))
            self._snapshot.exception()  # nobody has to ask for it
        for each in self._listeners:
            each.put_nowait(None)
        self._left(self)

    def _begin(self, number: int) -> None:
        if self._received is None and not self._subscribe.snapshot:
            self.number = self._received = number
        self.people.clear()
        self._entered.set()
        self._say()

    def _say(self) -> None:
        if self._said:
            self._send(ConnectRequest(set_presence=self._said))

    def _take(self, number: int, item: Event | int) -> None:
        """What is new; the rest was here already."""
        fresh = self._received is None or number > self._received
        if fresh:
            self._received = number
            self._waiting.append(item)
            self._news.set()

    def _collect(self, part: ConnectResponse.Snapshot) -> None:
        self._parts.resources.update({each.name: each.number for each in part.resources})
        if part.HasField("document"):
            self._parts.document = part.document
        if part.present:
            self._see(self._update(part.present))
        if part.complete:
            parts, self._parts = self._parts, _Parts()
            if self._received is None and self._subscribe.snapshot:
                self.number = self._received = part.number
                taken = Snapshot(part.number, parts.resources, parts.document)
                self._future().set_result(taken)

    def _see(self, update: ConnectResponse.PresenceUpdate) -> None:
        for each in update.changes:
            if each.state == live_pb2.PRESENCE_STATE_OFFLINE:
                self.people.pop(each.connection, None)
            else:
                self.people[each.connection] = each
        self.connections, self.persons = update.connections, update.people
        for listener in self._listeners:
            listener.put_nowait(update)

    def _update(self, changes: Iterable[Presence]) -> ConnectResponse.PresenceUpdate:
        return ConnectResponse.PresenceUpdate(
            room=self.name, changes=changes, connections=self.connections, people=self.persons
        )

    def _dealt(self, number: int) -> None:
        self.number = number
        self._dealt_with += 1
        if self._dealt_with * 2 >= self._subscribe.window:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Tells the server how far this client is, where it wants to know."""
        if self._subscribe.window and self._dealt_with:
            self._dealt_with = 0
            message = ConnectRequest.Acknowledge(room=self.name, number=self.number or 0)
            self._send(ConnectRequest(acknowledge=message))

    def _future(self) -> asyncio.Future[Snapshot]:
        if self._snapshot is None:
            self._snapshot = asyncio.get_running_loop().create_future()
        return self._snapshot

    def _check(self) -> None:
        if self._error:
            raise self._error


def _left_early(name: str) -> ClientError:
    return ClientError(grpc.StatusCode.CANCELLED, f"{name} was left before its snapshot came.")
