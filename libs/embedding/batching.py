"""Gathers the texts of concurrent requests into few calls of an embedder behind them.

For embedders whose calls cost more than their texts: remote ones. A batch may hold texts of several
tenants; equal texts of two tenants are two texts, so that each pays for its own and neither can
tell what the other asks. Must not know which embedder it serves.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from libs.embedding import Embedded, Purpose, RemoteEmbedder, Text, Vectors
from libs.embedding.errors import EmbedderUnavailable, TextRefused
from libs.tenancy import Route
from libs.usage import Payer


class Asked(NamedTuple):
    """A text, and in whose name it is embedded."""

    payer: Payer
    purpose: Purpose
    text: str


class Row(NamedTuple):
    """What one text became."""

    vector: Vectors
    tokens: int
    estimated: bool


class Payment(Protocol):
    """Of one call for one payer; ends with one of these, neither of which fails."""

    async def settle(self, tokens: Sequence[int], *, estimated: bool) -> None:
        """The call was answered: the tokens of each text."""

    async def void(self) -> None:
        """It was not."""


class Payments(Protocol):
    """What stands between a payer and the provider."""

    async def admit(self, payer: Payer, purpose: Purpose, texts: Sequence[str]) -> Payment:
        """Lets the texts be sent; raises an AppError when they must not be."""


class Lot(NamedTuple):
    """The texts of a batch that one payer pays for."""

    asked: Sequence[Asked]
    payment: Payment


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

    def __init__(self, embedder: RemoteEmbedder, max_batch: int, payments: Payments | None) -> None:
        self.identity = embedder.identity
        self.dimensions = embedder.dimensions
        self.prefixes = embedder.prefixes
        self._embedder = embedder
        self._max_batch = max_batch
        self._payments = payments
        self._wanted: dict[Asked, _Wanted] = {}  # queued or in flight
        self._queue: asyncio.Queue[Asked] = asyncio.Queue()
        self._closed = False

    async def embed(self, route: Route, purpose: Purpose, texts: Sequence[Text]) -> Embedded:
        """As `RemoteEmbedder.embed`; being cancelled affects no other caller.

        Raises:
            AppError: The texts must not be sent, in the name of whom they are for.
        """
        if self._closed:
            raise EmbedderUnavailable(self.identity, "shutting down")
        asked = [Asked(Payer(route, text.attribution), purpose, text.content) for text in texts]
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
                await self._send(awaited)

    def _is_awaited(self, asked: Asked) -> bool:
        """Whether anyone still waits for this text, which is forgotten otherwise."""
        if self._wanted[asked].waiters:
            return True
        del self._wanted[asked]
        return False

    async def _send(self, batch: list[Asked]) -> None:
        """Sends what is allowed, and sees to it that it is paid for, also by who has left."""
        lots = await self._admitted(batch)
        allowed = [each for lot in lots for each in lot.asked]
        if not allowed:
            return
        try:
            embedded = await self._embedder.embed([each.text for each in allowed])
            rows = list(zip(embedded.vectors, embedded.tokens, strict=True))
            answers = dict(zip(allowed, rows, strict=True))
        except BaseException as error:
            await asyncio.gather(*(lot.payment.void() for lot in lots))
            await self._failed(allowed, error)
        else:
            await asyncio.gather(*(_settle(lot, answers, embedded.estimated) for lot in lots))
            for asked, (vector, tokens) in answers.items():
                self._wanted.pop(asked).row.set_result(Row(vector, tokens, embedded.estimated))

    async def _failed(self, batch: list[Asked], error: BaseException) -> None:
        """A text that is refused is found by halving: the others are not to blame."""
        if not isinstance(error, Exception):
            raise error
        if not isinstance(error, TextRefused) or len(batch) == 1:
            return self._fail(batch, error)
        middle = len(batch) // 2
        await self._send(batch[:middle])
        await self._send(batch[middle:])

    async def _admitted(self, batch: Sequence[Asked]) -> list[Lot]:
        """By payer and purpose; those that must not be sent are answered with why."""
        if self._payments is None:
            return [Lot(batch, _Unpaid())]
        groups: dict[tuple[Payer, Purpose], list[Asked]] = {}
        for asked in batch:
            groups.setdefault(asked[:2], []).append(asked)
        lots = await asyncio.gather(
            *(self._admit(self._payments, *each) for each in groups.items())
        )
        return [lot for lot in lots if lot]

    async def _admit(
        self, payments: Payments, who: tuple[Payer, Purpose], asked: list[Asked]
    ) -> Lot | None:
        try:
            return Lot(asked, await payments.admit(*who, [each.text for each in asked]))
        except Exception as error:
            self._fail(asked, error)
            return None

    def _fail(self, batch: Sequence[Asked], error: Exception) -> None:
        for asked in batch:
            row = self._wanted.pop(asked).row
            row.set_exception(error)
            row.exception()  # counts as retrieved even when all who waited are gone

    def close(self) -> None:
        """Refuse those who wait and those to come."""
        self._closed = True
        self._fail(list(self._wanted), EmbedderUnavailable(self.identity, "shutting down"))


class _Unpaid:
    """`Payment` where nobody pays."""

    async def settle(self, tokens: Sequence[int], *, estimated: bool) -> None:
        return

    async def void(self) -> None:
        return


async def _settle(lot: Lot, answers: Mapping[Asked, tuple[Vectors, int]], estimated: bool) -> None:
    await lot.payment.settle([answers[each][1] for each in lot.asked], estimated=estimated)


@asynccontextmanager
async def open_batching(
    embedder: RemoteEmbedder,
    payments: Payments | None = None,
    *,
    max_batch: int = 64,
    calls: int = 2,
) -> AsyncIterator[BatchingEmbedder]:
    """`embedder` behind a queue, at most `calls` calls of up to `max_batch` texts in flight.

    The second call keeps one that is being retried from holding up everyone. `payments`: None when
    nobody pays.
    """
    batching = BatchingEmbedder(embedder, max_batch, payments)
    workers = [asyncio.create_task(batching.serve()) for _ in range(calls)]
    try:
        yield batching
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        batching.close()
