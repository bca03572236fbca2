"""Search through gRPC against the bare vector query: same server, table, graph, vectors and k."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import asyncpg
import numpy as np

from bench import bare
from bench.client import BATCH, Client, open_clients
from bench.corpus import Corpus, load_corpus
from bench.measure import Sample, Spread, alternate, chunks, drive
from bench.report import BOUND, Report, Row, Section
from bench.stack import Stack, open_stack
from libs.embedding.local import LocalEmbedder
from libs.postgres import binary_vectors
from libs.vectors.pgvector import PgVectorIndex

TENANT = "acme"
LIMIT = 10
CLIENTS = 8
_INDEXED = f"SELECT count(*) FROM aeterna.vector_{bare.DIMENSIONS}"
_WAITING = "SELECT count(*) FROM aeterna.projection_queue"
_PATIENCE = 600  # seconds
_EXACT = 50  # queries whose true neighbours are counted
_OURS, _SAME, _DEFAULT = "service", "bare", "bare, ef_search 40"
_QUANTITIES: Mapping[str, Callable[[Sample], float]] = {
    "p50, ms": lambda sample: sample.quantile(0.5),
    "p95, ms": lambda sample: sample.quantile(0.95),
    "searches/s": lambda sample: sample.rate,
}
Side = Callable[[int], Awaitable[Sample]]


async def run(*, quick: bool) -> Report:
    """At two sizes of one tenant's corpus."""
    sizes, rounds, queries = ((200, 400), 2, 40) if quick else ((10_000, 100_000), 7, 300)
    corpus, embedder = load_corpus(), LocalEmbedder(bare.DIMENSIONS)
    texts = corpus.queries(queries)
    vectors = bare.packed(await embedder.embed(texts))
    rows: list[Row] = []
    costs: list[Row] = []
    facts = [f"Corpus: {corpus.source}; k = {LIMIT}; {queries} queries a round, {rounds} rounds."]
    async with open_stack() as stack:
        await stack.add_tenants([TENANT])
        async with open_clients(
            stack.addresses.memory, [stack.token(TENANT)], connections=CLIENTS
        ) as mine:
            for before, size in zip((0, *sizes), sizes, strict=False):
                facts.append(await _load(stack, mine[0], corpus, before, size))
                measured = _Size(stack, mine[0], texts, vectors, size)
                rows += await measured.rows(rounds)
                costs += await measured.costs()
                facts.append(await measured.recall())
    facts.append(BOUND)
    return Report("search", "Search", [Section("Latency", rows), Section("CPU", costs)], facts)


async def _load(stack: Stack, client: Client, corpus: Corpus, before: int, size: int) -> str:
    """Grows the corpus through the service; what follows meets settled tables."""
    batches = chunks(corpus.texts(size - before, skip=before), BATCH)
    sample = await drive(client.add_batch, batches, CLIENTS)
    late = await _settle(stack, size)
    rate = (size - before) / sample.seconds
    return (
        f"Loaded {before:,} to {size:,} by BatchCreateMemories of {BATCH}, {CLIENTS} at a time:"
        f" {rate:,.0f} memories/s; {late:,} were answered before the index had them."
    )


async def _settle(stack: Stack, size: int) -> int:
    """Waits for the projection worker, then tidies up; how many it found to do."""
    async with stack.superuser() as superuser, asyncio.timeout(_PATIENCE):
        waiting = late = await superuser.fetchval(_WAITING)
        while waiting:
            await asyncio.sleep(0.2)
            waiting = await superuser.fetchval(_WAITING)
        count = await superuser.fetchval(_INDEXED)
        assert count == size, f"{count} of {size} memories are in the index"
        await superuser.execute("VACUUM ANALYZE")
        await superuser.execute("CHECKPOINT")
    return int(late)


class _Size:
    """The measurements at one size of the corpus."""

    def __init__(
        self,
        stack: Stack,
        client: Client,
        texts: Sequence[str],
        vectors: Sequence[bytes],
        size: int,
    ) -> None:
        self._stack, self._client, self._size = stack, client, size
        self._texts, self._vectors = texts, vectors
        self._dsn = stack.dsn()
        self._effort = PgVectorIndex().effort

    async def rows(self, rounds: int) -> list[Row]:
        """Latency and rate of one client and of several, beside the bare query."""
        result: list[Row] = []
        async with (
            bare.open_bare(self._dsn, CLIENTS, self._effort) as same,
            bare.open_bare(self._dsn, CLIENTS) as default,
        ):
            for clients in (1, CLIENTS):
                sides: dict[str, Side] = {
                    _OURS: partial(self._ours, clients),
                    _SAME: partial(self._bare, same, clients),
                    _DEFAULT: partial(self._bare, default, clients),
                }
                for side in sides.values():
                    await side(0)  # warm
                result += self._table(clients, await alternate(sides, rounds))
        return result

    def _table(self, clients: int, samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
        goal = "p50, p95 <= 2.0x" if clients == 1 and self._size == 100_000 else ""
        rows: list[Row] = []
        for name, quantity in _QUANTITIES.items():
            each = {side: list(map(quantity, taken)) for side, taken in samples.items()}
            row: dict[str, str | float | Spread] = {
                "memories": f"{self._size:,}", "clients": str(clients), "what": name
            }  # fmt: skip
            row |= {side: Spread.of(values) for side, values in each.items()}
            row["service / bare"] = Spread.ratio(each[_OURS], each[_SAME])
            row["service / ef_search 40"] = Spread.ratio(each[_OURS], each[_DEFAULT])
            rows.append(row | {"goal": goal if "ms" in name else ""})
        return rows

    async def costs(self) -> list[Row]:
        """CPU time of one search by process, several clients at once."""
        meter = self._stack.meter()
        rows: list[Row] = []
        async with bare.open_bare(self._dsn, CLIENTS, self._effort) as same:
            for name, side in {
                _OURS: partial(self._ours, CLIENTS), _SAME: partial(self._bare, same, CLIENTS)
            }.items():  # fmt: skip
                meter.lap(1)
                await side(0)
                row = {"memories": f"{self._size:,}", "side": name}
                rows.append({**row, **meter.lap(len(self._texts))})
        return rows

    async def recall(self) -> str:
        """How many of the true neighbours the searches find."""
        ours, theirs = [], []
        async with (
            self._stack.superuser() as superuser,
            bare.open_bare(self._dsn, 1, self._effort) as pool,
        ):
            await superuser.execute("SET enable_indexscan = off")
            await binary_vectors(superuser)
            for text, vector in list(zip(self._texts, self._vectors, strict=True))[:_EXACT]:
                exact = set(map(str, await bare.search(superuser, vector, LIMIT)))
                found = await self._client.search(text, LIMIT)
                ours.append(len(exact & {name.partition("/")[2] for name, _ in found}) / len(exact))
                ids = set(map(str, await bare.search(pool, vector, LIMIT)))
                theirs.append(len(exact & ids) / len(exact))
        return (
            f"Share of the true {LIMIT} nearest at {self._size:,}: service {np.mean(ours):.3f},"
            f" bare {np.mean(theirs):.3f} ({len(ours)} queries)."
        )

    async def _ours(self, clients: int, _: int) -> Sample:
        return await drive(lambda text: self._client.search(text, LIMIT), self._texts, clients)

    async def _bare(self, pool: asyncpg.Pool, clients: int, _: int) -> Sample:
        return await drive(lambda each: bare.search(pool, each, LIMIT), self._vectors, clients)
