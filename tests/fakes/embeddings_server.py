"""A server on 127.0.0.1 that speaks the embeddings protocol, well or, when told, badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.provider_http import Reply, Request, answer, listening, read

MODEL, DIMENSIONS = "test-embedding", 4


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
    of each text and, if `counts`, a token for each of its words. Texts that it `refuses` are at
    fault."""

    url: str = ""
    counts: bool = True
    vector: Callable[[str], list[float]] = vector
    refuses: Callable[[str], bool] = lambda _: False
    replies: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    hold: asyncio.Event | None = None  # answers wait for it

    @property
    def texts(self) -> list[str]:
        """What it was asked to embed, in order."""
        return [text for request in self.requests for text in request.body["input"]]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        self.requests.append(request)
        self.arrived.release()
        if self.hold:
            await self.hold.wait()
        texts = request.body["input"]
        tokens = sum(len(text.split()) for text in texts) if self.counts else None
        honest = embeddings([self.vector(text) for text in texts], tokens)
        if any(self.refuses(text) for text in texts):
            honest = Reply(status=400)
        reply = self.replies.popleft() if self.replies else honest
        await answer(reader, writer, reply)


@asynccontextmanager
async def embeddings_server() -> AsyncIterator[Server]:
    """Listens on a free port while the block runs."""
    fake = Server()
    async with listening(fake.handle) as fake.url:
        yield fake
