"""The client of live connections: one at a time, another one when it ends."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from itertools import count
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from websockets.asyncio.client import ClientConnection

from aeterna.sync.v1 import live_pb2 as pb
from libs.clients import ClientError
from libs.live.asking import Asking, error_of, keeps_out
from libs.live.connection import Connection, Token, connected, is_final
from libs.live.document import SharedDocument
from libs.live.endings import Ending, Next
from libs.live.pauses import Pauses
from libs.live.room import Room

_LASTED = 10.0  # seconds after which a connection counts as a good one
_IN_ROOMS = ("subscribed", "event", "checkpoint", "snapshot", "presence")
_WINDOW = 256  # events that a server sends ahead


class Live:
    """What happens in a tenant, as it happens.

        async with Live("ws://localhost:8080/v1/live", token=lambda: token) as live:
            async for event in live.enter("memories", since=0):
                print(event.number, event.type, event.change.resource)

    Connections that break, servers that stop and tokens that expire are not seen: the next
    connection resumes every room after the last number that came, and sends again what was not
    answered. What no new connection would change ends the rooms and requests with `ClientError`.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        token: Token,
        *,
        tenant: str = "",
        device: str = "",
        json: bool = False,
        tls: SSLContext | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        """
        Args:
            url: `ws://` or `wss://`, of one server or of several that are the same.
            token: Gives the bearer token, for each connection and before one expires anew. OSError
                and TimeoutError of it are passing troubles; what else it raises ends everything.
            tenant: The tenant to act for; the token's own if empty.
            device: What others see of this client beside the person.
            json: Speak JSON rather than protobuf.
            tls: For `wss://`; the system's authorities if None.
        """
        self._urls = [url] if isinstance(url, str) else random.sample(url, len(url))
        self._token, self._tenant, self._device = token, tenant, device
        self._json, self._tls, self._pauses = json, tls, pauses or Pauses()
        self._asking = Asking(self._send, self._pauses)
        self._rooms: dict[str, Room] = {}
        self._connection: Connection | None = None
        self._welcome: pb.ConnectResponse.Welcome | None = None
        self._online = asyncio.Event()
        self._back = 0.0  # when a server that stops wants this client back, by the loop's clock
        self._entering: dict[str, Room] = {}  # by the ids of messages that are not answered yet
        self._numbers = count(1)
        self._running: asyncio.Task[None] | None = None
        self._documents: list[SharedDocument] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None

    def enter(
        self,
        room: str,
        *,
        since: int | None = None,
        snapshot: bool = False,
        presence: bool = False,
        window: int = _WINDOW,
    ) -> Room:
        """Enters a room, now or as soon as there is a connection; iterate it for its events.

        Args:
            since: The last number dealt with; None for what happens from now on, 0 for everything.
            snapshot: Learn first what there is: `Room.snapshot`; not together with `since`.
            presence: Be seen in the room, and see who else is: `Room.people`.
            window: How many events may wait here that were not dealt with; 0 for no limit.
        Raises:
            ValueError: This client is in the room already.
        """
        if room in self._rooms:
            raise ValueError(f"this client is in {room} already")
        message = pb.ConnectRequest.Subscribe(
            room=room,
            since=since,
            snapshot=snapshot,
            presence=presence,
            window=window,
            device=self._device,
        )
        entered = self._rooms[room] = Room(message, self._send, self._leave)
        if self._error:
            entered.end(_as_client_error(self._error))
        elif self._welcome:
            self._subscribe(entered)
        return entered

    async def ask(self, message: Message, *, seconds: float | None = 30.0) -> Any:
        """Sends a request of DocumentService; the answer. Made without a connection, it waits for
        one. What changes something is done once, however often it has to be sent.

            document = await live.ask(GetDocumentRequest(name=name))

        Raises:
            ClientError: It was refused.
            TimeoutError: There was no answer in time; what came of it is not known.
        """
        async with asyncio.timeout(seconds):
            return await self._ask(message)

    async def open(self, name: str) -> SharedDocument:
        """Opens `documents/{id}` to read along and to write.

        Raises:
            ClientError: There is none, or not for this caller.
            ValueError: This client is in its room already.
        """
        document = SharedDocument(self.enter(name, snapshot=True, presence=True), self._ask)
        self._documents.append(document)
        await document.opened()
        return document

    async def _ask(self, message: Message, *, once: bool = False) -> Any:
        if self._error:
            raise _as_client_error(self._error)
        return await self._asking.ask(message, once=once)

    async def online(self) -> pb.ConnectResponse.Welcome:
        """What the server said of this client, once there is a connection.

        Raises:
            ClientError: There will be none.
        """
        while not (self._welcome and self._connection):
            if self._error:
                raise self._error
            await self._online.wait()
        return self._welcome

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [*self._tasks, *([self._running] if self._running else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for document in self._documents:
            await document.close()
        self._end(ClientError(grpc.StatusCode.CANCELLED, "The client was closed."), leaving=True)

    async def _run(self) -> None:
        """One connection after the other, until one ends for good."""
        failures, loop = 0, asyncio.get_running_loop()
        try:
            while True:
                url, begun = self._urls[failures % len(self._urls)], loop.time()
                ending = await connected(url, json=self._json, tls=self._tls, run=self._connected)
                welcomed = self._welcome is not None
                self._offline()
                if is_final(ending, welcomed=welcomed):
                    raise ending.error
                failures = 1 if loop.time() - begun > _LASTED else failures + 1
                await asyncio.sleep(self._pause(ending, failures))
        except Exception as exc:
            self._end(exc)

    async def _connected(self, socket: ClientConnection) -> Ending:
        self._connection = Connection(socket, self._token, self._tenant)
        return await self._connection.run(self._hear)

    def _pause(self, ending: Ending, failures: int) -> float:
        left, self._back = self._back - asyncio.get_running_loop().time(), 0.0
        if left > 0:
            return left
        if ending.next is Next.WAIT:
            return self._pauses.in_crowd(failures)
        return self._pauses.after(failures - 1)

    def _offline(self) -> None:
        self._connection = self._welcome = None
        self._entering.clear()
        self._online.clear()

    def _send(self, message: pb.ConnectRequest) -> bool:
        """Whether there is a connection that knows who this is; rooms and requests are sent anew by
        the next one."""
        if not (self._connection and self._welcome):
            return False
        self._connection.send(message)
        return True

    def _hear(self, message: pb.ConnectResponse) -> None:
        kind = message.WhichOneof("message")
        if kind == "welcome":
            self._begin(message.welcome)
        elif kind == "draining":
            self._drain(message.draining.reconnect_after.ToTimedelta().total_seconds())
        elif room := self._entering.pop(message.reply_to, None):
            self._answered(room, message)
        elif self._asking.hear(message):
            pass
        elif kind == "unsubscribed":
            self._left(message.unsubscribed)
        elif kind in _IN_ROOMS and (here := self._rooms.get(getattr(message, kind).room)):
            here.hear(message)

    def _begin(self, welcome: pb.ConnectResponse.Welcome) -> None:
        """Enters every room where it was left, and sends what waits; not for a mere new token."""
        fresh, self._welcome = self._welcome is None, welcome
        if fresh:
            for room in list(self._rooms.values()):
                self._subscribe(room)
            self._asking.resume(welcome.max_message_bytes)
            self._online.set()

    def _drain(self, seconds: float) -> None:
        """The server stops soon: it tells each client another time to come back at."""
        self._back = asyncio.get_running_loop().time() + seconds
        if self._connection:
            self._later(self._change(self._connection, seconds))

    async def _change(self, connection: Connection, seconds: float) -> None:
        """Goes to another server in time, unless this one has ended the connection by then."""
        await asyncio.sleep(seconds)
        await connection.close()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _subscribe(self, room: Room) -> None:
        identity = f"r{next(self._numbers)}"
        self._entering[identity] = room
        self._send(pb.ConnectRequest(id=identity, subscribe=room.subscription()))

    def _answered(self, room: Room, message: pb.ConnectResponse) -> None:
        if message.HasField("error"):
            self._out(room, message.error)
        else:
            room.hear(message)

    def _left(self, message: pb.ConnectResponse.Unsubscribed) -> None:
        room = self._rooms.get(message.room)
        if room and message.HasField("error"):
            self._out(room, message.error)

    def _out(self, room: Room, error: pb.ConnectResponse.Error) -> None:
        """A room is not, or no longer, open to this client: for good, or for a moment."""
        known = error_of(error)
        if keeps_out(known):
            room.end(known)
            return
        self._later(self._enter_again(room, self._connection))

    async def _enter_again(self, room: Room, connection: Connection | None) -> None:
        await asyncio.sleep(self._pauses.after(3))
        if self._connection is connection and self._rooms.get(room.name) is room:
            self._subscribe(room)

    def _leave(self, room: Room) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]

    def _end(self, error: Exception, *, leaving: bool = False) -> None:
        """Nothing comes any more, and nothing is sent."""
        self._error = self._error or error
        for room in list(self._rooms.values()):
            room.end(None if leaving else _as_client_error(error))
        self._asking.end(_as_client_error(error))
        self._online.set()


def _as_client_error(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    return ClientError(grpc.StatusCode.UNAUTHENTICATED, f"There is no token: {error}")
