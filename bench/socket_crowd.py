"""Very many WebSocket clients in one process: raw sockets, one epoll, nothing decoded.

`python -m bench.socket_crowd DIALECT` takes commands from standard input, a JSON object a line, and
answers each likewise: it has to cost little beside the server that it measures.
"""

import base64
import json
import os
import resource
import select
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from gc import disable
from itertools import cycle
from time import monotonic, sleep, time
from typing import Any, Self

_OPENING_AT_ONCE = 64
_GLANCE = 0.0005  # seconds


@dataclass(frozen=True)
class Dialect:
    """How a server is spoken to. `tokens` go round among the clients.

    Attributes:
        greeting: Messages that a client sends once it is connected.
        ready: What stands in the message that says that it may go on.
        event: What stands in every message that is waited for.
        ping: A sign of life, and what stands in the answer.
    """

    address: str
    path: str
    tokens: Sequence[str]
    greeting: Sequence[str]
    ready: str
    event: str
    ping: str = ""
    pong: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def client_frame(text: str) -> bytes:
    """A message as a client sends it; masked with zeros, which leave it as it is."""
    payload = text.encode()
    size = len(payload)
    if size > 0xFFFF:
        head = struct.pack("!BBQ", 0x81, 0x80 | 127, size)
    elif size > 125:
        head = struct.pack("!BBH", 0x81, 0x80 | 126, size)
    else:
        head = struct.pack("!BB", 0x81, 0x80 | size)
    return head + bytes(4) + payload


def handshake(path: str, token: str) -> bytes:
    """The request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: bench",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Crowd:
    """Clients of one server."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        host, _, port = dialect.address.rpartition(":")
        self._place = (host, int(port))
        self._tokens = cycle(dialect.tokens or [""])
        self._greeting = b"".join(map(client_frame, dialect.greeting))
        self._ready, self._event = dialect.ready.encode(), dialect.event.encode()
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}

    def open(self, count: int) -> dict[str, Any]:
        """So many more; returns when every one is ready."""
        opening: dict[int, bytes] = {}
        begun, wanted = monotonic(), len(self._sockets) + count
        lost = 0
        while opening or len(self._sockets) < wanted:
            while len(opening) < _OPENING_AT_ONCE and len(self._sockets) < wanted:
                opening[self._connect()] = b""
            for fd, _ in self._poll.poll(10, 1024):
                data = os.read(fd, 1 << 16)
                if not data:
                    lost += 1
                    self._drop(fd)
                    del opening[fd]
                    if lost > count:
                        raise ConnectionError("the server lets nobody in")
                elif fd in opening:
                    self._greet(fd, opening, data)
        return {"open": len(self._sockets), "lost": lost, "seconds": monotonic() - begun}

    def listen(self, seconds: float) -> dict[str, Any]:
        """Waits until everybody has got one event: when each did, and one of them.

        Looks again and again in place of sleeping in epoll: over loopback it is the sender that
        would wake us, for a quarter of its time, which no server does for clients elsewhere.
        """
        _say({"listening": len(self._sockets)})
        times, event, deadline = array("d"), b"", time() + seconds
        wanted, mark, read, now = len(self._sockets), self._event, os.read, time
        while len(times) < wanted and now() < deadline:
            ready = self._poll.poll(0, 4096)
            if not ready:
                sleep(_GLANCE)
            for fd, _ in ready:
                data = read(fd, 1 << 16)
                if mark in data:
                    times.append(now())
                    event = event or data
                elif not data:
                    self._drop(fd)
                    wanted -= 1
        encoded = base64.b64encode(times.tobytes()).decode()
        said = event.decode(errors="replace")
        return {"times": encoded, "event": said, "missing": wanted - len(times)}

    def ping(self) -> dict[str, Any]:
        """A sign of life of everybody, answered."""
        frame, pong = client_frame(self._dialect.ping), self._dialect.pong.encode()
        answered = 0
        waiting = iter(list(self._sockets))
        for fd in waiting:
            os.write(fd, frame)
            answered += self._read_pongs(pong, 0)
        while answered < len(self._sockets):
            answered += self._read_pongs(pong, 10)
        return {"answered": answered}

    def close(self) -> dict[str, Any]:
        """All leave."""
        for fd in list(self._sockets):
            self._drop(fd)
        return {}

    def _read_pongs(self, pong: bytes, seconds: float) -> int:
        found = 0
        for fd, _ in self._poll.poll(seconds, 1024):
            data = os.read(fd, 1 << 16)
            if not data:
                self._drop(fd)
            found += data.count(pong)
        return found

    def _connect(self) -> int:
        client = socket.create_connection(self._place, 10)
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(handshake(self._dialect.path, next(self._tokens)))
        self._sockets[client.fileno()] = client
        self._poll.register(client.fileno(), select.EPOLLIN)
        return client.fileno()

    def _greet(self, fd: int, opening: dict[int, bytes], data: bytes) -> None:
        before = opening[fd]
        opening[fd] = before + data
        if b"\r\n\r\n" not in before and b"\r\n\r\n" in opening[fd]:
            if not opening[fd].startswith(b"HTTP/1.1 101"):
                raise ConnectionError(opening[fd].decode(errors="replace"))
            os.write(fd, self._greeting)
        if self._ready in opening[fd]:
            del opening[fd]

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._sockets.pop(fd).close()


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def allow_files(wanted: int) -> int:
    """Lets this process and its children open so many files, or as many as it can be allowed; how
    many that is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < wanted:
        with suppress(ValueError, OSError):  # whoever is not root may not
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def main() -> None:
    disable()  # a collection would look like a slow server
    allow_files(0)
    crowd = Crowd(Dialect.from_json(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        _say(getattr(crowd, command.pop("do"))(**command))


if __name__ == "__main__":
    main()
