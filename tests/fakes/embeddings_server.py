"""A server on 127.0.0.1 that speaks the embeddings protocol, well or, when told, badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODEL, DIMENSIONS = "test-embedding", 4


@dataclass(frozen=True)
class Request:
    """What the server received."""

    line: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What the server answers; `silent` never answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


def vector(text: str) -> list[float]:
    """What the server says of a text; not of length 1."""
    return [float(len(text)), float(sum(text.encode()) % 97), 1.0, -2.0]


def embeddings(vectors: Sequence[object], tokens: int | None = None) -> Reply:
    """The protocol's answer, in an order of its own: `index` says which text is meant.

    `tokens`: how many the server says it was sent; it says nothing when None.
    """
    items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if tokens else {}
    return Reply(body=json.dumps({"object": "list", "data": items[::-1], **usage}).encode())


@dataclass
class Server:
    """Answers with the next of `replies`, and correctly when there is none: with what `vector` says
    of each text and, if `counts`, a token for each of its words."""

    url: str = ""
    counts: bool = True
    vector: Callable[[str], list[float]] = vector
    replies: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    hold: asyncio.Event | None = None  # answers wait for it

    @property
    def texts(self) -> list[str]:
        """What it was asked to embed, in order."""
        return [text for request in self.requests for text in request.body["input"]]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        self.requests.append(request)
        self.arrived.release()
        if self.hold:
            await self.hold.wait()
        texts = request.body["input"]
        tokens = sum(len(text.split()) for text in texts) if self.counts else None
        honest = embeddings([self.vector(text) for text in texts], tokens)
        reply = self.replies.popleft() if self.replies else honest
        if reply.silent:
            await reader.read()  # until the client gives up
        else:
            writer.write(_written(reply))
            await writer.drain()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Request(line, headers, json.loads(body))


def _written(reply: Reply) -> bytes:
    headers = {"Content-Length": len(reply.body), "Connection": "close", **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body


@asynccontextmanager
async def embeddings_server() -> AsyncIterator[Server]:
    """Listens on a free port while the block runs."""
    fake = Server()
    listener = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    async with listener:
        fake.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        yield fake
