"""A provider whose vectors say what texts mean: near when it is the same, else far.

In this process for many texts, and over HTTP in OpenAI's protocol for a running suite. A vector
also tells, in its last numbers, which text it was made for: so a benchmark sees whose vector was
served.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from libs.embedding import Embedded, Vectors
from libs.embedding.rules import unit_rows

DIMENSIONS = 128
MODEL = "text-embedding-3-small"  # for its price
_BITS = 20  # of a text's number
_WHISPER = 0.1  # how loud these are: two texts of one meaning have a cosine above 0.99
_TOKEN_CHARACTERS = 4


@dataclass
class Oracle:
    """`RemoteEmbedder`; knows the meaning of each text as a number, and counts what it is asked."""

    meanings: Mapping[str, int]
    identity: str = f"{MODEL}/{DIMENSIONS}"
    dimensions: int = DIMENSIONS
    prefixes: tuple[int, ...] = ()
    asked: int = 0  # texts
    tokens: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _texts: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> Embedded:
        tokens = [len(text) // _TOKEN_CHARACTERS + 1 for text in texts]
        self.asked += len(texts)
        self.tokens += sum(tokens)
        return Embedded(self.vectors(texts), tokens, estimated=False)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """float32, shape (N, DIMENSIONS), rows of length 1."""
        rows = [
            np.concatenate([_direction(self.meanings[each]), self._name(each)]) for each in texts
        ]
        return unit_rows(np.array(rows))

    def text_of(self, vector: Vectors) -> str:
        """The text that a vector was made for."""
        bits = vector[-_BITS:] > 0
        return self._texts[int(bits @ (1 << np.arange(_BITS)))]

    def _name(self, text: str) -> Vectors:
        if text not in self._numbers:
            self._numbers[text] = len(self._texts)
            self._texts.append(text)
        bits = self._numbers[text] >> np.arange(_BITS) & 1
        named: Vectors = ((2 * bits - 1) * _WHISPER).astype(np.float32)
        return named


@lru_cache(maxsize=200_000)
def _direction(meaning: int) -> Vectors:
    signs = np.random.default_rng(meaning).integers(0, 2, DIMENSIONS - _BITS)
    direction: Vectors = (2 * signs - 1).astype(np.float32)
    return direction


@asynccontextmanager
async def serving(oracle: Oracle) -> AsyncIterator[str]:
    """Answers `POST /v1/embeddings` while the block runs; gives the base URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await _body(reader)
        embedded = await oracle.embed(body["input"])
        answer = json.dumps(_message(embedded)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def _body(reader: asyncio.StreamReader) -> Any:
    _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return json.loads(await reader.readexactly(int(headers["content-length"])))


def _message(embedded: Embedded) -> dict[str, Any]:
    tokens = sum(embedded.tokens)
    rows = enumerate(embedded.vectors.tolist())
    data = [{"object": "embedding", "index": place, "embedding": row} for place, row in rows]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": MODEL, "data": data, "usage": usage}
