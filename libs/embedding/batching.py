"""Gathers the texts of concurrent requests into few calls of an embedder behind them.

For embedders whose calls cost more than their texts: remote ones. The local embedder answers a text
in less than 0.1 ms: with 1 to 20 requests at once this queue costs it 15 to 30 % of its throughput.
Must not know which embedder it serves.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from libs.embedding import Embedder, Vectors
from libs.embedding.errors import EmbedderUnavailable, TextRefused


@dataclass(slots=True, eq=False)
class _Wanted:
    """A text's row to be, shared by all who wait for it."""

    row: asyncio.Future[Vectors] = field(default_factory=asyncio.Future)
    waiters: int = 0


class BatchingEmbedder:
    """`Embedder` that asks another for each distinct text once at a time.

    Nothing waits for company: an idle worker takes what is there, and what arrives while all
    workers are busy forms the next batch. Made by `open_batching`.
    """

    def __init__(self, embedder: Embedder, max_batch: int) -> None:
        self.identity = embedder.identity
        self.dimensions = embedder.dimensions
        self.prefixes = embedder.prefixes
        self._embedder = embedder
        self._max_batch = max_batch
        self._wanted: dict[str, _Wanted] = {}  # queued or in flight
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._closed = False

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As the port says; being cancelled affects no other caller."""
        if self._closed:
            raise EmbedderUnavailable(self.identity, "shutting down")
        wanted = {text: self._want(text) for text in dict.fromkeys(texts)}
        try:
            if wanted:
                await asyncio.wait([each.row for each in wanted.values()])
        finally:
            for each in wanted.values():
                each.waiters -= 1
        rows = [wanted[text].row.result() for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), self.dimensions)

    def _want(self, text: str) -> _Wanted:
        if text not in self._wanted:
            self._wanted[text] = _Wanted()
            self._queue.put_nowait(text)
        self._wanted[text].waiters += 1
        return self._wanted[text]

    async def serve(self) -> None:
        """Answer batches until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._max_batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if awaited := [text for text in batch if self._is_awaited(text)]:
                await self._answer(awaited)

    def _is_awaited(self, text: str) -> bool:
        """Whether anyone still waits for this text, which is forgotten otherwise."""
        if self._wanted[text].waiters:
            return True
        del self._wanted[text]
        return False

    async def _answer(self, texts: list[str]) -> None:
        try:
            rows = await self._embedder.embed(texts)
            answers = list(zip(texts, rows, strict=True))
        except TextRefused as error:
            await self._isolate(texts, error)
        except Exception as error:
            self._fail(texts, error)
        else:
            for text, row in answers:
                self._wanted.pop(text).row.set_result(row)

    async def _isolate(self, texts: list[str], error: TextRefused) -> None:
        """Halve the batch until the refused text stands alone: the others are not to blame."""
        if len(texts) == 1:
            return self._fail(texts, error)
        middle = len(texts) // 2
        await self._answer(texts[:middle])
        await self._answer(texts[middle:])

    def _fail(self, texts: Sequence[str], error: Exception) -> None:
        for text in texts:
            row = self._wanted.pop(text).row
            row.set_exception(error)
            row.exception()  # counts as retrieved even when all who waited are gone

    def close(self) -> None:
        """Refuse those who wait and those to come."""
        self._closed = True
        self._fail(list(self._wanted), EmbedderUnavailable(self.identity, "shutting down"))


@asynccontextmanager
async def open_batching(
    embedder: Embedder, *, max_batch: int = 64, calls: int = 2
) -> AsyncIterator[BatchingEmbedder]:
    """`embedder` behind a queue, at most `calls` calls of up to `max_batch` texts in flight.

    The second call keeps one that is being retried from holding up everyone.
    """
    batching = BatchingEmbedder(embedder, max_batch)
    workers = [asyncio.create_task(batching.serve()) for _ in range(calls)]
    try:
        yield batching
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        batching.close()
