"""Adding memories through gRPC, 64 clients at once, against bare batched inserts of plain text."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import cycle, islice
from urllib.request import urlopen

import asyncpg

from bench import bare
from bench.client import Client, open_clients
from bench.corpus import Corpus, load_corpus
from bench.measure import Sample, Spread, alternate, chunks, drive
from bench.report import BOUND, Report, Row, Section
from bench.stack import Stack, open_stack
from libs.embedding.local import LocalEmbedder

CLIENTS = 64
CONNECTIONS = 4  # of the clients to the service
BARE_CONNECTIONS = 16  # as many as the service may open
_GROUPS = re.compile(r'aeterna_write_group_size_(sum|count)\{service="memories"\} (\S+)')
_OURS, _BARE, _EMBEDDING = "service", "bare", "bare that embeds"
_SCHEMAS = {_BARE: "bench", _EMBEDDING: "bench_embedding"}  # tables that grow as the service's do


async def run(*, quick: bool) -> Report:
    """All clients in one tenant, then spread over 50."""
    adds, rounds = (200, 2) if quick else (3000, 7)
    corpus = load_corpus()
    rows: list[Row] = []
    costs: list[Row] = []
    for count in (1, 50):
        # Stores of its own: a graph takes a text that it has from another tenant almost for free.
        async with open_stack() as stack:
            async with stack.superuser() as superuser:
                for schema in _SCHEMAS.values():
                    await bare.make_tables(superuser, schema)
            scenario = _Scenario(stack, corpus, [f"t{count}-{n}" for n in range(count)], adds)
            await stack.add_tenants(scenario.tenants)
            measured = await scenario.measure(rounds)
            rows.append(measured[0])
            costs += measured[1]
    facts = [
        f"Corpus: {corpus.source}; {adds:,} adds a round, {rounds} rounds, tables empty at first.",
        f"Service: {CLIENTS} clients over {CONNECTIONS} connections; each add has a request id,"
        " is sealed, logged, hash-chained and searchable when it is answered.",
        f"Bare: INSERT ... SELECT unnest in batches of the service's mean group, {BARE_CONNECTIONS}"
        " connections, same columns and indexes, plain text, vectors at hand, one commit a batch.",
        BOUND,
    ]
    return Report("add", "Add", [Section("Adds/s", rows), Section("CPU", costs)], facts)


class _Scenario:
    """So many tenants, the clients spread over them."""

    def __init__(self, stack: Stack, corpus: Corpus, tenants: Sequence[str], adds: int) -> None:
        self.tenants = tenants
        self._stack, self._corpus, self._adds = stack, corpus, adds
        self._embedder = LocalEmbedder(bare.DIMENSIONS)
        self._meter = stack.meter()
        self._group = 1
        self._groups: list[float] = []
        self._costs: dict[str, Row] = {}

    async def measure(self, rounds: int) -> tuple[Row, list[Row]]:
        """A row of rates, and rows of what each side costs."""
        tokens = [self._stack.token(tenant) for tenant in self.tenants]
        async with (
            open_clients(self._stack.addresses.memory, tokens, connections=CONNECTIONS) as clients,
            bare.open_bare(self._stack.dsn(), BARE_CONNECTIONS) as pool,
        ):
            sides: dict[str, Callable[[int], Awaitable[Sample]]] = {
                _OURS: lambda number: self._ours(clients, number),
                _BARE: lambda number: self._bare(pool, number),
                _EMBEDDING: lambda number: self._bare_embedding(pool, number),
            }
            for side in sides.values():
                await side(-1)  # warm
            samples = await alternate(sides, rounds)
        return self._row(samples), list(self._costs.values())

    def _row(self, samples: dict[str, list[Sample]]) -> Row:
        rates = {name: [sample.rate for sample in taken] for name, taken in samples.items()}
        latencies = [sample.quantile(0.5) for sample in samples[_OURS]]
        slow = [sample.quantile(0.95) for sample in samples[_OURS]]
        return {
            "tenants": str(len(self.tenants)),
            "adds a group": Spread.of(self._groups[1:]),
            **{name: Spread.of(rate) for name, rate in rates.items()},
            "service / bare": Spread.ratio(rates[_OURS], rates[_BARE]),
            "service / bare that embeds": Spread.ratio(rates[_OURS], rates[_EMBEDDING]),
            "goal": ">= 0.4x",
            "service p50, ms": Spread.of(latencies),
            "service p95, ms": Spread.of(slow),
        }

    async def _ours(self, clients: Sequence[Client], number: int) -> Sample:
        work = list(zip(cycle(clients), self._texts(number), strict=False))
        before = self._read_groups()
        self._meter.lap(1)
        sample = await drive(lambda each: each[0].add(each[1]), work, CLIENTS)
        self._note(_OURS)
        after = self._read_groups()
        self._groups.append((after[0] - before[0]) / (after[1] - before[1]))
        self._group = max(1, round(self._groups[-1]))
        return sample

    async def _bare(self, pool: asyncpg.Pool, number: int) -> Sample:
        texts = self._texts(number)
        vectors: list[bytes] = []
        for part in chunks(texts, 1000):
            vectors += bare.packed(await self._embedder.embed(part))
        rows = list(zip(self._owners(), texts, vectors, strict=False))
        self._meter.lap(1)
        batches = chunks(rows, self._group)
        sample = await drive(lambda batch: _insert(pool, _BARE, batch), batches, BARE_CONNECTIONS)
        self._note(_BARE)
        return Sample(sample.seconds, [sample.seconds] * len(texts))

    async def _bare_embedding(self, pool: asyncpg.Pool, number: int) -> Sample:
        async def work(batch: Sequence[tuple[str, str]]) -> None:
            vectors = bare.packed(await self._embedder.embed([text for _, text in batch]))
            rows = [(*each, vector) for each, vector in zip(batch, vectors, strict=True)]
            await _insert(pool, _EMBEDDING, rows)

        texts = self._texts(number)
        rows = list(zip(self._owners(), texts, strict=False))
        self._meter.lap(1)
        sample = await drive(work, chunks(rows, self._group), BARE_CONNECTIONS)
        self._note(_EMBEDDING)
        return Sample(sample.seconds, [sample.seconds] * len(texts))

    def _texts(self, number: int) -> list[str]:
        return self._corpus.texts(self._adds, skip=(number + 1) * self._adds)

    def _owners(self) -> Iterable[str]:
        return islice(cycle(self.tenants), self._adds)

    def _note(self, side: str) -> None:
        """Keeps what the round cost; the last round's figures stay."""
        row = {"tenants": str(len(self.tenants)), "side": side}
        self._costs[side] = {**row, **self._meter.lap(self._adds)}

    def _read_groups(self) -> tuple[float, float]:
        """How many adds and how many groups there were so far, from the service's metrics."""
        with urlopen(f"http://{self._stack.metrics}/metrics") as page:
            found = dict(_GROUPS.findall(page.read().decode()))
        return float(found.get("sum", 0)), float(found.get("count", 0))


async def _insert(pool: asyncpg.Pool, side: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
    tenants, texts, vectors = zip(*rows, strict=True)
    await bare.insert(pool, _SCHEMAS[side], tenants, texts, vectors)
