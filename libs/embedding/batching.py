"""Gathers the texts of concurrent requests into few calls of an embedder behind them.

For embedders whose calls cost more than their texts: remote ones. A batch may hold texts of several
tenants; equal texts of two tenants are two texts, so that each pays for its own and neither can
tell what the other asks. Must not know which embedder it serves.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np

from libs.embedding import Embedded, Purpose, RemoteEmbedder, Vectors
from libs.embedding.errors import EmbedderUnavailable, TextRefused
from libs.tenancy import TenantId


class Asked(NamedTuple):
    """A text, and in whose name it is embedded."""

    tenant: TenantId
    purpose: Purpose
    text: str


class Row(NamedTuple):
    """What one text became."""

    vector: Vectors
    tokens: int
    estimated: bool


class Spent(NamedTuple):
    """Texts of one tenant that a call was paid for: the tokens of each."""

    tenant: TenantId
    purpose: Purpose
    tokens: Sequence[int]
    estimated: bool


@dataclass(slots=True, eq=False)
class _Wanted:
    """A text's row to be, shared by all who wait for it."""

    row: asyncio.Future[Row] = field(default_factory=asyncio.Future)
    waiters: int = 0


class BatchingEmbedder:
    """Asks another embedder for each distinct text once at a time.

    Nothing waits for company: an idle worker takes what is there, and what arrives while all
    workers are busy forms the next batch. Made by `open_batching`.
    """

    def __init__(
        self, embedder: RemoteEmbedder, max_batch: int, spent: Callable[[Spent], None]
    ) -> None:
        self.identity = embedder.identity
        self.dimensions = embedder.dimensions
        self.prefixes = embedder.prefixes
        self._embedder = embedder
        self._max_batch = max_batch
        self._spent = spent
        self._wanted: dict[Asked, _Wanted] = {}  # queued or in flight
        self._queue: asyncio.Queue[Asked] = asyncio.Queue()
        self._closed = False

    async def embed(self, tenant: TenantId, purpose: Purpose, texts: Sequence[str]) -> Embedded:
        """As `RemoteEmbedder.embed`; being cancelled affects no other caller."""
        if self._closed:
            raise EmbedderUnavailable(self.identity, "shutting down")
        asked = [Asked(tenant, purpose, text) for text in texts]
        wanted = {each: self._want(each) for each in dict.fromkeys(asked)}
        try:
            if wanted:
                await asyncio.wait([each.row for each in wanted.values()])
        finally:
            for each in wanted.values():
                each.waiters -= 1
        return self._together([wanted[each].row.result() for each in asked])

    def _together(self, rows: Sequence[Row]) -> Embedded:
        vectors = np.array([row.vector for row in rows], np.float32)
        tokens = [row.tokens for row in rows]
        estimated = any(row.estimated for row in rows)
        return Embedded(vectors.reshape(len(rows), self.dimensions), tokens, estimated)

    def _want(self, asked: Asked) -> _Wanted:
        if asked not in self._wanted:
            self._wanted[asked] = _Wanted()
            self._queue.put_nowait(asked)
        self._wanted[asked].waiters += 1
        return self._wanted[asked]

    async def serve(self) -> None:
        """Answer batches until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._max_batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if awaited := [each for each in batch if self._is_awaited(each)]:
                await self._answer(awaited)

    def _is_awaited(self, asked: Asked) -> bool:
        """Whether anyone still waits for this text, which is forgotten otherwise."""
        if self._wanted[asked].waiters:
            return True
        del self._wanted[asked]
        return False

    async def _answer(self, batch: list[Asked]) -> None:
        try:
            embedded = await self._embedder.embed([each.text for each in batch])
            rows = zip(embedded.vectors, embedded.tokens, strict=True)
            answers = list(zip(batch, rows, strict=True))
        except TextRefused as error:
            await self._isolate(batch, error)
        except Exception as error:
            self._fail(batch, error)
        else:
            for asked, (vector, tokens) in answers:
                self._wanted.pop(asked).row.set_result(Row(vector, tokens, embedded.estimated))
            # Here, not where it is awaited: it is paid for whoever has left.
            for each in _spent(batch, embedded):
                self._spent(each)

    async def _isolate(self, batch: list[Asked], error: TextRefused) -> None:
        """Halve the batch until the refused text stands alone: the others are not to blame."""
        if len(batch) == 1:
            return self._fail(batch, error)
        middle = len(batch) // 2
        await self._answer(batch[:middle])
        await self._answer(batch[middle:])

    def _fail(self, batch: Sequence[Asked], error: Exception) -> None:
        for asked in batch:
            row = self._wanted.pop(asked).row
            row.set_exception(error)
            row.exception()  # counts as retrieved even when all who waited are gone

    def close(self) -> None:
        """Refuse those who wait and those to come."""
        self._closed = True
        self._fail(list(self._wanted), EmbedderUnavailable(self.identity, "shutting down"))


def _spent(batch: Sequence[Asked], embedded: Embedded) -> Iterator[Spent]:
    """What each tenant has to pay for, by purpose."""
    lines = sorted(
        (asked.tenant, asked.purpose, tokens)
        for asked, tokens in zip(batch, embedded.tokens, strict=True)
    )
    for (tenant, purpose), group in groupby(lines, key=lambda line: line[:2]):
        yield Spent(tenant, purpose, [tokens for *_, tokens in group], embedded.estimated)


@asynccontextmanager
async def open_batching(
    embedder: RemoteEmbedder,
    spent: Callable[[Spent], None] = lambda _: None,
    *,
    max_batch: int = 64,
    calls: int = 2,
) -> AsyncIterator[BatchingEmbedder]:
    """`embedder` behind a queue, at most `calls` calls of up to `max_batch` texts in flight.

    The second call keeps one that is being retried from holding up everyone. `spent` is told of
    each call that was answered.
    """
    batching = BatchingEmbedder(embedder, max_batch, spent)
    workers = [asyncio.create_task(batching.serve()) for _ in range(calls)]
    try:
        yield batching
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        batching.close()
