"""What shorter vectors in the searched index save and cost: recall, latency and storage by length.

The index of the suite's own PostgreSQL is asked through its port, as the services do. The last line
that is printed is one JSON object.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import numpy as np

from bench.corpus import load_corpus
from bench.measure import Sample, Spread, alternate, drive
from bench.report import Cell, Report, Row, Section
from bench.stack import Stack, open_stack
from bench.vectors import SPECTRUM, Vectors, synthetic
from cli.embedded import DATABASE
from libs.embedded.postgres import PostgresServer
from libs.embedding.local import LocalEmbedder
from libs.postgres import SERVICE_ROLE, DatabaseSettings, binary_vectors, open_pool
from libs.tenancy import Route, ShardId, TenantId
from libs.vectors import Collection, Reach
from libs.vectors.pgvector import PgVectorIndex, packed
from services.memory.domain.policy import LADDER, OVERSAMPLING

TENANT = "acme"
LIMIT = 10
_SAME = 1e-4  # cosines that differ by less are ties, which 16-bit floats may break either way
_RECALL, _STORAGE, _SPEED = 0.99, 0.60, 2.0  # the bars
_PAYLOAD = '{"layer": "user", "user_id": "user-1"}'
_COLUMNS = ("tenant_id", "collection", "entity_id", "space", "payload", "embedding")
_SHORTEN = """
    INSERT INTO aeterna.vector_{length} SELECT tenant_id, collection, entity_id, space, payload,
        l2_normalize(subvector(embedding, 1, {length})) FROM aeterna.vector_{whole}
"""
_KEEP = """
    INSERT INTO aeterna.vector_whole
    SELECT tenant_id, collection, entity_id, space, embedding FROM aeterna.vector_{whole}
"""
_GRAPH = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
_BUILD = "SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2"
_SIZE = "SELECT pg_relation_size($1::text::regclass)"
_APART = """
    SELECT pg_relation_size(reltoastrelid) FROM pg_class
    WHERE oid = $1::text::regclass AND reltoastrelid <> 0
"""


@dataclass(frozen=True)
class Measured:
    """One set of vectors: its name, what is stored and what is looked for."""

    name: str
    collection: Collection
    stored: Vectors
    queries: Vectors

    def floors(self) -> list[float]:
        """For each query, the cosine that a true neighbour has at least."""
        tops = (np.partition(self.stored @ query, -LIMIT)[-LIMIT] for query in self.queries)
        return [float(top) - _SAME for top in tops]


@dataclass(frozen=True)
class Side:
    """A way to search."""

    length: int
    policy: str
    reach: Reach


async def run(*, quick: bool) -> Report:
    """Real vectors of the local model, and synthetic ones as long as remote models have them."""
    size, queries, rounds = (2000, 40, 2) if quick else (100_000, 200, 4)
    tables: dict[str, list[Row]] = {"Searches": [], "Storage": []}
    facts: list[str] = []
    summary: dict[str, float] = {}
    async with open_stack() as stack:
        await stack.add_tenants([TENANT])
        async with _route(stack) as route:
            for make in (_real, _synthetic):
                measured, fact = await make(size, queries)
                bench = _Bench(stack, route, measured)
                await bench.load()
                sizes = await bench.sizes()
                searches = await bench.searches(rounds)
                tables["Searches"] += searches
                tables["Storage"] += sizes
                facts.append(fact)
                summary |= _verdict(measured, searches, sizes)
    facts += _about(size, queries, rounds)
    sections = [Section(title, rows) for title, rows in tables.items()]
    return Report("matryoshka", "Shorter vectors in the searched index", sections, facts, summary)


async def _real(size: int, queries: int) -> tuple[Measured, str]:
    corpus, embedder = load_corpus(), LocalEmbedder()
    stored = await embedder.embed(corpus.texts(size))
    asked = await embedder.embed(corpus.queries(queries))
    collection = Collection("memories", embedder.identity, embedder.dimensions, embedder.prefixes)
    fact = f"real: {embedder.identity}, Matryoshka-trained; texts: {corpus.source}."
    return Measured("real", collection, stored, asked), fact


async def _synthetic(size: int, queries: int) -> tuple[Measured, str]:
    whole, *prefixes = 1536, 256, 384, 768
    stored, asked = synthetic(size, queries, whole)
    collection = Collection("memories", "synthetic/1536", whole, tuple(prefixes))
    return Measured("synthetic", collection, stored, asked), f"synthetic: {SPECTRUM}"


class _Bench:
    """The measurements of one set of vectors."""

    def __init__(self, stack: Stack, route: Route, measured: Measured) -> None:
        self._stack, self._route, self._measured = stack, route, measured
        self._collection = measured.collection
        self._ids = [uuid4() for _ in measured.stored]
        self._floors = measured.floors()
        self._row_of = {each: row for row, each in enumerate(self._ids)}

    async def load(self) -> None:
        """Fills the tables of every length, and builds each graph over what is there."""
        whole = self._collection.dimensions
        async with self._stack.superuser() as superuser:
            await binary_vectors(superuser)
            await superuser.execute(_BUILD)
            await superuser.execute("TRUNCATE aeterna.vector_whole")
            for length in reversed(self._collection.lengths):
                graph = await superuser.fetchval(_GRAPH, f"vector_{length}_graph")
                await superuser.execute(f"DROP INDEX aeterna.vector_{length}_graph")
                await superuser.execute(f"TRUNCATE aeterna.vector_{length}")
                await self._fill(superuser, length, whole)
                await superuser.execute(graph)
            await superuser.execute(_KEEP.format(whole=whole))
            await superuser.execute("VACUUM ANALYZE")
            await superuser.execute("CHECKPOINT")

    async def _fill(self, superuser: asyncpg.Connection, length: int, whole: int) -> None:
        if length < whole:
            await superuser.execute(_SHORTEN.format(length=length, whole=whole))
            return
        target = (TENANT, self._collection.name)
        rows = (
            (*target, id_, self._collection.space, _PAYLOAD, packed(row))
            for id_, row in zip(self._ids, self._measured.stored, strict=True)
        )
        await superuser.copy_records_to_table(
            f"vector_{whole}", schema_name="aeterna", columns=_COLUMNS, records=rows
        )

    async def sizes(self) -> list[Row]:
        """Of what is searched, and of the whole vectors beside it."""
        rows: list[Row] = []
        async with self._stack.superuser() as superuser:
            for length in reversed(self._collection.lengths):
                table = f"aeterna.vector_{length}"
                shorter = length < self._collection.dimensions
                apart = (_SIZE, "aeterna.vector_whole") if shorter else (_APART, table)
                graph, heap, away = [
                    await superuser.fetchval(sql, of) / 1e6
                    for sql, of in ((_SIZE, f"{table}_graph"), (_SIZE, table), apart)
                ]
                rows.append(self._size(length, graph, heap, away, rows))
        return rows

    def _size(
        self, length: int, graph: float, table: float, apart: float, before: Sequence[Row]
    ) -> Row:
        searched = table + graph
        full = _number(before[0]["searched, MB"]) if before else searched
        return {
            "vectors": self._measured.name,
            "length": str(length),
            "graph, MB": graph,
            "table, MB": table,
            "searched, MB": searched,
            "saved": 1 - searched / full,
            "saved, bytes of vectors": 1 - length / self._collection.dimensions,
            "apart, MB": apart,
        }

    async def searches(self, rounds: int) -> list[Row]:
        """Recall and latency of every length and policy, against whole vectors in one run."""
        sides = {f"{side.length}/{side.policy}": side for side in self._sides()}
        samples = await alternate(
            {name: partial(self._sample, side) for name, side in sides.items()}, rounds + 1
        )
        full = next(iter(sides))
        recalls = {name: await self._recall(side) for name, side in sides.items()}
        return [
            self._row(side, recalls[name], recalls[full], samples[name][1:], samples[full][1:])
            for name, side in sides.items()
        ]

    def _sides(self) -> list[Side]:
        whole = self._collection.dimensions
        return [
            Side(whole, "whole", Reach(whole, 0)),
            *(
                Side(length, policy.name.lower(), Reach(length, OVERSAMPLING[policy]))
                for length in reversed(self._collection.prefixes)
                for policy in LADDER
            ),
        ]

    def _row(
        self,
        side: Side,
        recall: float,
        full: float,
        mine: Sequence[Sample],
        theirs: Sequence[Sample],
    ) -> Row:
        row: dict[str, Cell] = {
            "vectors": self._measured.name,
            "length": str(side.length),
            "policy": side.policy,
            "candidates": str(side.reach.candidates(LIMIT)),
            "recall@10": recall,
            "of whole": recall / full,
            "loss": 1 - recall / full,
        }
        for share in (0.5, 0.95):
            name = f"p{share * 100:.0f}"
            ours = [sample.quantile(share) for sample in mine]
            peers = [sample.quantile(share) for sample in theirs]
            row |= {f"{name}, ms": Spread.of(ours), f"faster, {name}": Spread.ratio(peers, ours)}
        return row

    async def _sample(self, side: Side, _: int) -> Sample:
        return await drive(partial(self._search, side.reach), list(self._measured.queries))

    async def _recall(self, side: Side) -> float:
        found = [await self._search(side.reach, query) for query in self._measured.queries]
        shares = [
            sum(self._measured.stored[self._row_of[id_]] @ query >= floor for id_ in ids) / LIMIT
            for ids, query, floor in zip(found, self._measured.queries, self._floors, strict=True)
        ]
        return float(np.mean(shares))

    async def _search(self, reach: Reach, query: Vectors) -> list[UUID]:
        hits = await PgVectorIndex().search(self._route, self._collection, query, {}, LIMIT, reach)
        return [hit.id for hit in hits]


def _verdict(
    measured: Measured, searches: Sequence[Row], sizes: Sequence[Row]
) -> Mapping[str, float]:
    """Of the smallest index that keeps the recall, at its fastest; of the one with the most recall
    if none does."""
    saved = {row["length"]: _number(row["saved"]) for row in sizes}
    short = [row for row in searches if row["policy"] != "whole"]
    kept = [row for row in short if _number(row["of whole"]) >= _RECALL]
    best = (
        max(kept, key=lambda row: (saved[row["length"]], _faster(row, "p50")))
        if kept
        else max(short, key=lambda row: _number(row["of whole"]))
    )
    figures = {
        "length": float(str(best["length"])),
        "candidates": float(str(best["candidates"])),
        "recall_of_whole": _number(best["of whole"]),
        "storage_saved": saved[best["length"]],
        "faster_p50": _faster(best, "p50"),
        "faster_p95": _faster(best, "p95"),
    }
    met = (
        figures["recall_of_whole"] >= _RECALL
        and figures["storage_saved"] >= _STORAGE
        and figures["faster_p50"] >= _SPEED
    )
    named = {f"{measured.name}_{key}": round(value, 4) for key, value in figures.items()}
    return named | {f"{measured.name}_meets_bars": float(met)}


def _number(cell: Cell) -> float:
    assert isinstance(cell, float)
    return cell


def _faster(row: Row, name: str) -> float:
    spread = row[f"faster, {name}"]
    assert isinstance(spread, Spread)
    return spread.median


def _about(size: int, queries: int, rounds: int) -> list[str]:
    return [
        f"{size:,} vectors each; k = {LIMIT}; {queries} queries a round, {rounds} rounds, the sides"
        " taking turns; one client, through the index's port and row-level security.",
        "recall@10: share of the true nearest ten by whole vectors (ties count); of whole: against"
        " the recall of the graph of whole vectors; faster: its latency over this one's, round by"
        " round.",
        "searched: pg_relation_size of graph and table, of which saved is a share; apart: whole"
        " vectors that no walk reads: TOAST of the searched table, or the table beside it.",
        f"Bars: of whole >= {_RECALL}, saved >= {_STORAGE}, faster >= {_SPEED}.",
    ]


@asynccontextmanager
async def _route(stack: Stack) -> AsyncIterator[Route]:
    """To the tenant, as the services go there."""
    server = PostgresServer(stack.folder / "postgres/socket")
    settings = DatabaseSettings(dsn=server.dsn(DATABASE, SERVICE_ROLE))
    async with open_pool(settings) as pool:
        yield Route(TenantId(TENANT), ShardId("main"), 1, pool)
