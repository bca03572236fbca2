"""One WebSocket from the first message to its end: says who the client is, gives signs of life,
renews the token before it expires. Knows nothing of what the messages are about."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from ssl import SSLContext

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from aeterna.sync.v1 import live_pb2 as pb
from libs.live.endings import NO_CLOSE, Ending, Next, refused
from libs.live.pauses import Steady
from libs.live.wire import JSON, PROTOBUF, Malformed, decode, encode

Token = Callable[[], str | Awaitable[str]]
Heard = Callable[[pb.ConnectResponse], None]

_OPEN_SECONDS = 15.0  # for TCP, TLS and the handshake, and again for the first answer
_CLOSE_SECONDS = 2.0
_HEARTBEAT = 30.0  # seconds, of servers that say nothing
_LARGEST = 32 << 20  # bytes of a message that is taken
_EARLY = 0.2  # of the time that a token has left, the part in which it is renewed
_AT_ONCE, _A_SECOND = 100, 40  # messages: about what servers read without waiting
_AUTHENTICATE = "token"  # the id of the messages that renew it


class Connection:
    """A WebSocket that is open."""

    def __init__(self, socket: ClientConnection, token: Token, tenant: str) -> None:
        self._socket, self._token, self._tenant = socket, token, tenant
        self._subprotocol = socket.subprotocol or JSON
        self._outgoing = asyncio.Queue[bytes | str]()
        self._silence, self._interval = _OPEN_SECONDS, 0.8 * _HEARTBEAT
        self._renewal: asyncio.Task[None] | None = None

    def send(self, message: pb.ConnectRequest) -> None:
        """Never waits. What is sent after the end is lost, as it may be on the way."""
        self._outgoing.put_nowait(encode(message, self._subprotocol))

    async def close(self) -> None:
        """Ends it from this side."""
        await self._socket.close()

    async def run(self, heard: Heard) -> Ending:
        """Carries messages until the connection ends; the first that is heard is the welcome.

        Raises:
            Exception: What the token's provider raises, but for troubles of the network.
        """
        tasks = [asyncio.create_task(self._write())]
        try:
            await self._authenticate()
            tasks.append(asyncio.create_task(self._beat()))
            return await self._read(heard)
        except ConnectionClosed as closed:
            end = closed.rcvd
            return Ending(end.code, end.reason) if end else Ending(NO_CLOSE, "the connection broke")
        except (OSError, TimeoutError) as exc:
            return Ending(NO_CLOSE, f"nothing came any more ({exc or type(exc).__name__})")
        except Malformed:
            return Ending(1007, "the server sent what is no message")
        finally:
            for task in (*tasks, self._renewal):
                if task:
                    task.cancel()

    async def _read(self, heard: Heard) -> Ending:
        while True:
            async with asyncio.timeout(self._silence):
                message = decode(await self._socket.recv())
            if message.HasField("welcome"):
                self._welcomed(message.welcome)
            elif message.HasField("error") and message.reply_to == _AUTHENTICATE:
                return Ending(4401, message.error.reason)
            heard(message)

    def _welcomed(self, welcome: pb.ConnectResponse.Welcome) -> None:
        heartbeat = welcome.heartbeat.ToTimedelta().total_seconds() or _HEARTBEAT
        self._silence, self._interval = 2.5 * heartbeat, 0.8 * heartbeat
        if welcome.HasField("expire_time"):
            left = welcome.expire_time.ToDatetime(UTC) - datetime.now(UTC)
            self._renewal = asyncio.create_task(self._renew(left.total_seconds()))

    async def _write(self) -> None:
        """Not much faster than servers read: what they do not read yet delays pings as well."""
        loop = asyncio.get_running_loop()
        steady = Steady(_AT_ONCE, _A_SECOND, loop.time())
        with suppress(ConnectionClosed):  # the reader hears of it, too
            while True:
                frame = await self._outgoing.get()
                await asyncio.sleep(steady.next(loop.time()))
                await self._socket.send(frame)

    async def _beat(self) -> None:
        """A ping each while: the answer tells that the server is there as well."""
        while True:
            await asyncio.sleep(self._interval)
            self.send(pb.ConnectRequest(ping=pb.ConnectRequest.Ping()))

    async def _renew(self, left: float) -> None:
        """A new token in time. Without one the connection ends, and the next one asks again."""
        await asyncio.sleep(max(left * (1 - _EARLY), 1.0))
        with suppress(Exception):
            await self._authenticate()

    async def _authenticate(self) -> None:
        token = self._token()
        if inspect.isawaitable(token):
            token = await token
        said = pb.ConnectRequest.Authenticate(token=token, tenant=self._tenant)
        self.send(pb.ConnectRequest(id=_AUTHENTICATE, authenticate=said))


async def connected(
    url: str,
    *,
    json: bool,
    tls: SSLContext | None,
    run: Callable[[ClientConnection], Awaitable[Ending]],
) -> Ending:
    """Opens a WebSocket and runs it to its end; how it ended, or why it could not be opened."""
    wanted = [JSON, PROTOBUF] if json else [PROTOBUF, JSON]
    try:
        async with connect(
            url,
            subprotocols=[Subprotocol(each) for each in wanted],
            ssl=tls,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            ping_interval=None,  # the protocol has a heartbeat of its own
            max_size=_LARGEST,
            proxy=None,
        ) as socket:
            return await run(socket)
    except InvalidStatus as exc:
        return refused(exc.response.status_code)
    except (OSError, TimeoutError, WebSocketException) as exc:
        return Ending(NO_CLOSE, f"{url} cannot be reached ({type(exc).__name__})")


def is_final(ending: Ending, *, welcomed: bool) -> bool:
    """Whether to give up: what a new token cannot help either, or a fresh one was refused."""
    return ending.next is Next.STOP or (ending.next is Next.RENEW and not welcomed)
