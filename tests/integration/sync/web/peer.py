"""A WebSocket client of its own making: bytes out as a test wants them, wsproto for what comes in.

Nothing here is shared with the server's own library.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension

from aeterna.sync.v1 import live_pb2 as pb

SOON = 20.0  # seconds: far more than anything here needs
PATH = "/v1/live"
JSON, PROTOBUF = "aeterna.live.v1.json", "aeterna.live.v1.protobuf"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MISUSED, UNSUPPORTED, INVALID, TOO_BIG = 1002, 1003, 1007, 1009  # close codes
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3
_MASK = b"\x5a\xc3\x0f\x99"


class Got(NamedTuple):
    """What came: `kind` is text, binary, pong, close or end."""

    kind: str
    content: Any = None


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """A frame as RFC 6455, 5.2 has it, or as it must not be."""
    first = fin << 7 | rsv << 4 | opcode
    size, mask = len(payload), masked << 7
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    if not masked:
        return head + payload
    key = (_MASK * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + _MASK + hidden.to_bytes(size, "big")


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def chopped(data: bytes, size: int) -> list[bytes]:
    """The same in pieces."""
    return [data[start : start + size] for start in range(0, len(data), size)]


class Peer:
    """A client after its opening handshake, or in it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._message: list[str | bytes | bytearray] = []
        self.reason = ""  # why the server closed

    async def send(self, *pieces: bytes) -> None:
        """Sends each piece by itself, as far as the other side still listens."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def ask(self, request: Request) -> AcceptConnection | RejectConnection:
        """The opening handshake."""
        await self.send(self._connection.send(request))
        answer = await self._event()
        assert isinstance(answer, AcceptConnection | RejectConnection), answer
        return answer

    async def next(self) -> Got:
        """What comes next; messages whole."""
        async with asyncio.timeout(SOON):
            while True:
                event = await self._event()
                if (got := self._whole(event)) is not None:
                    return got

    async def message(self) -> Any:
        """The next message, in JSON."""
        got = await self.next()
        assert got.kind == "text", got
        return json.loads(got.content)

    def _whole(self, event: Event) -> Got | None:
        match event:
            case TextMessage() | BytesMessage():
                self._message.append(event.data)
                if not event.message_finished:
                    return None
                parts, self._message = self._message, []
                if isinstance(event, TextMessage):
                    return Got("text", "".join(str(part) for part in parts))
                return Got("binary", b"".join(bytes(part) for part in parts))  # type: ignore[arg-type]
            case Pong():
                return Got("pong", bytes(event.payload))
            case Ping():
                return Got("ping", bytes(event.payload))
            case CloseConnection():
                self.reason = event.reason or ""
                return Got("close", event.code)
        raise AssertionError(event)

    async def _event(self) -> Event:
        async with asyncio.timeout(SOON):
            while not self._events:
                data = await self._read()
                if not data:
                    return CloseConnection(code=-1)
                self._connection.receive_data(data)
                self._events += self._connection.events()
        return self._events.pop(0)

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(1 << 16)
        except ConnectionError:
            return b""

    async def head(self) -> bytes:
        """The answer to a request, as it is."""
        async with asyncio.timeout(SOON):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        said = b""
        async with asyncio.timeout(SOON):
            while data := await self._read():
                said += data
        return said

    async def closed(self) -> bool:
        """Returns once the server closes the connection, too."""
        await self.rest()
        return True


@asynccontextmanager
async def connected(address: str, **more: Any) -> AsyncIterator[Peer]:
    """A TCP connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), **more)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def opened(
    address: str,
    subprotocols: Sequence[str] = (JSON,),
    headers: Sequence[tuple[bytes, bytes]] = (),
    extensions: Sequence[Extension] = (),
) -> AsyncIterator[Peer]:
    """A WebSocket that is open."""
    async with connected(address) as peer:
        request = Request(
            host=address,
            target=PATH,
            subprotocols=list(subprotocols),
            extra_headers=list(headers),
            extensions=list(extensions),
        )
        answer = await peer.ask(request)
        assert isinstance(answer, AcceptConnection), answer
        assert answer.subprotocol == (subprotocols[0] if subprotocols else None)
        assert answer.extensions == []
        yield peer


@asynccontextmanager
async def known(address: str, subprotocol: str = JSON) -> AsyncIterator[Peer]:
    """One of whom the hub has heard, so that its messages may be long."""
    async with opened(address, [subprotocol]) as peer:
        hello = (
            frame(TEXT, ping_text("hi"))
            if subprotocol == JSON
            else frame(BINARY, ping_binary("hi"))
        )
        await peer.send(hello)
        assert (await said(peer)).content == "hi"
        yield peer


def ping_text(name: str, size: int = 0) -> bytes:
    """A message in JSON that is answered with its id; filled up to `size` bytes."""
    text = json.dumps({"id": name, "ping": {}}, ensure_ascii=False).encode()
    return text + b" " * (size - len(text))


def ping_binary(name: str) -> bytes:
    """The same as protobuf."""
    return pb.ConnectRequest(id=name, ping=pb.ConnectRequest.Ping()).SerializeToString()


def answer(name: str) -> Got:
    """What `said` makes of the answer to a message of that id."""
    return Got("text", name)


def text(name: str, rsv: int = 0) -> bytes:
    """A whole message that is answered with its id."""
    return frame(TEXT, ping_text(name), rsv=rsv)


async def said(peer: Peer) -> Got:
    """What comes next; of an answer the id that it names."""
    got = await peer.next()
    if got.kind == "text":
        return Got("text", json.loads(got.content).get("replyTo", ""))
    if got.kind == "binary":
        return Got("binary", pb.ConnectResponse.FromString(got.content).reply_to)
    return got


async def expect(peer: Peer, code: int | None) -> None:
    """The connection ends with this code, or goes on and ends as the client likes."""
    if code is None:
        await peer.send(frame(PING, b"still there"), close(1000))
        assert await peer.next() == Got("pong", b"still there")
        code = 1000
    assert await peer.next() == Got("close", code)
    assert await peer.closed()


def handshake(path: str = PATH, **more: str | None) -> bytes:
    """A request for a WebSocket; headers with _ for -, None for none."""
    headers = {
        "Host": "h",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": _KEY,
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


async def status_of(address: str, request: bytes) -> tuple[int, bytes]:
    """The status and all that is said in answer to octets."""
    async with connected(address) as peer:
        await peer.send(request)
        said = await peer.rest()
        return (int(said.split()[1]) if said else 0), said
