"""What the number of tenants costs: the same memories shared out among few and among many.

Measured through the RPCs. Ten tenants of a thousand memories, the probes, are there throughout:
what differs for them is the number of the others alone. Each figure has that of a GetMemory beside
it, whose work is always the same. SCALE_MEMORIES and SCALE_TENANTS set the sizes.
"""

import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc

from aeterna.governance.v1 import tenants_pb2, tenants_pb2_grpc
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from bench.corpus import load_corpus
from bench.measure import Sample, alternate, drive
from bench.report import Report, Row, Section
from bench.scale_load import Loader, Owned, open_loader, shared_out
from bench.stack import Stack, open_stack
from libs.auth import Role
from libs.embedding.local import LocalEmbedder
from libs.postgres import binary_vectors
from libs.vectors.pgvector import packed

_PROBES, _PROBE_SIZE = 10, 1_000
_SAMPLED = 25  # of the others, or all
_LAST = 50  # tenants whose creation is timed, when all others are there
_LIMIT = 10
Work = Callable[[int], Awaitable[None]]
_STRATEGIES = {"hybrid": pb.SEARCH_STRATEGY_HYBRID, "semantic": pb.SEARCH_STRATEGY_SEMANTIC}
_RELATIONS = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'i', 'S', 'v', 'p')"
_EXACT = """
    SELECT entity_id FROM aeterna.vector_{d} WHERE tenant_id = $1 AND collection = 'memories'
    ORDER BY (embedding <#> $2::halfvec) + 0 LIMIT $3
"""


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    memories: int
    tenants: Sequence[int]
    probe: int  # memories of each probe
    rounds: int
    searches: int  # of a side in a round

    @classmethod
    def of(cls, *, quick: bool) -> "Sizes":
        if quick:
            return cls(3_000, (4, 20, 100), 100, 2, 20)
        tenants = os.environ.get("SCALE_TENANTS") or "10,1000,10000"
        memories = int(os.environ.get("SCALE_MEMORIES") or 1_000_000)
        return cls(memories, [int(each) for each in tenants.split(",")], _PROBE_SIZE, 7, 100)


async def run(*, quick: bool) -> Report:
    """Over every number of tenants, fewest first."""
    sizes, corpus = Sizes.of(quick=quick), load_corpus()
    questions = corpus.queries(500)
    rows: dict[str, list[Row]] = {"search": [], "create": [], "recall": []}
    probes = [f"probe-{place}" for place in range(_PROBES)]
    async with (
        open_stack() as stack,
        open_loader(stack, corpus, sizes.memories) as loader,
        stack.superuser() as superuser,
    ):
        await binary_vectors(superuser)
        await stack.add_tenants(probes)
        for place, count in enumerate(sizes.tenants):
            others = [f"t{count}-{number}" for number in range(count)]
            rows["create"].append(await _create(stack, superuser, others))
            owned = shared_out(sizes.memories, probes, sizes.probe, others)
            await _fill(loader, superuser, owned, first=place == 0)
            measured = _Measured(stack, sizes, questions, count)
            chosen = random.Random(count).sample(others, min(_SAMPLED, count))
            rows["search"] += await measured.search({"probes": probes, "others": chosen})
            rows["recall"].append(await measured.recall(superuser, chosen))
    return _report(sizes, corpus.source, rows)


async def _create(stack: Stack, superuser: asyncpg.Connection, tenants: Sequence[str]) -> Row:
    """Creates tenants, the last of them one by one."""
    before = await superuser.fetchval(_RELATIONS)
    first = max(1, len(tenants) - _LAST)
    many, last = tenants[:first], tenants[first:]
    metadata = (("authorization", f"Bearer {stack.token('platform', Role.PLATFORM_ADMIN)}"),)
    async with grpc.aio.insecure_channel(stack.addresses.governance) as channel:
        stub = tenants_pb2_grpc.TenantServiceStub(channel)

        async def create(tenant: str) -> None:
            request = tenants_pb2.CreateTenantRequest(tenant_id=tenant, request_id=str(uuid4()))
            await stub.CreateTenant(request, metadata=metadata)

        await drive(create, many, 8)
        sample = await drive(create, last)
    return {
        "tenants": f"{len(tenants):,}",
        "p50, ms": sample.quantile(0.5),
        "p95, ms": sample.quantile(0.95),
        "tables and indexes added": str(await superuser.fetchval(_RELATIONS) - before),
    }


async def _fill(
    loader: Loader, superuser: asyncpg.Connection, owned: Sequence[Owned], *, first: bool
) -> None:
    if first:
        await loader.vectors(superuser, owned)
    else:
        await loader.give(superuser, owned)
    await loader.memories(superuser, owned)
    await superuser.execute("VACUUM ANALYZE", timeout=7200)
    await superuser.execute("CHECKPOINT", timeout=7200)


class _Measured:
    """The searches at one number of tenants."""

    def __init__(self, stack: Stack, sizes: Sizes, questions: Sequence[str], count: int) -> None:
        self._stack, self._sizes, self._questions, self._count = stack, sizes, questions, count
        self._tokens: dict[str, str] = {}
        self._stub: Any = None

    async def search(self, groups: Mapping[str, Sequence[str]]) -> list[Row]:
        """Latencies of one client and CPU of the suite, the sides taking turns; the first search
        of each tenant counts by itself."""
        async with grpc.aio.insecure_channel(self._stack.addresses.memory) as channel:
            self._stub = pb_grpc.MemoryServiceStub(channel)
            first = {
                name: await self._drive(self._searching(group, "hybrid"), len(group), 0)
                for name, group in groups.items()
            }
            sides = {
                (name, strategy): self._searching(group, strategy)
                for name, group in groups.items()
                for strategy in _STRATEGIES
            }
            sides["probes", "GetMemory"] = await self._getting(groups["probes"])
            costs: dict[str, list[Mapping[str, float]]] = {" ".join(each): [] for each in sides}
            named = {
                name: partial(self._metered, side, costs[name])
                for name, side in zip(costs, sides.values(), strict=True)
            }
            samples = await alternate(named, self._sizes.rounds)
        whole = {
            name: Sample(1, [each for sample in mine for each in sample.latencies])
            for name, mine in samples.items()
        }
        floor = whole["probes GetMemory"].quantile(0.95)
        return [
            {
                "tenants": f"{self._count:,}",
                "asked": name,
                "call": call,
                "p50, ms": whole[f"{name} {call}"].quantile(0.5),
                "p95, ms": whole[f"{name} {call}"].quantile(0.95),
                "p95 / GetMemory's": whole[f"{name} {call}"].quantile(0.95) / floor,
                "CPU, ms": median(sum(_cpu(each)) for each in costs[f"{name} {call}"]),
                "first, p50, ms": first[name].quantile(0.5) if call == "hybrid" else "",
            }
            for name, call in sides
        ]

    async def _metered(self, side: Work, costs: list[Mapping[str, float]], number: int) -> Sample:
        meter = self._stack.meter()
        sample = await self._drive(side, self._sizes.searches, number)
        costs.append(meter.lap(self._sizes.searches))
        return sample

    async def _drive(self, side: Work, calls: int, number: int) -> Sample:
        return await drive(side, range(number * calls, (number + 1) * calls))

    def _searching(self, tenants: Sequence[str], strategy: str) -> Work:
        async def search(place: int) -> None:
            question = self._questions[place % len(self._questions)]
            await self._ask(tenants[place % len(tenants)], question, strategy)

        return search

    async def _getting(self, tenants: Sequence[str]) -> Work:
        names = [await self._ask(each, self._questions[0], "semantic") for each in tenants]

        async def get(place: int) -> None:
            name = f"memories/{names[place % len(names)][0]}"
            metadata = self._metadata(tenants[place % len(tenants)])
            await self._stub.GetMemory(pb.GetMemoryRequest(name=name), metadata=metadata)

        return get

    async def _ask(self, tenant: str, question: str, strategy: str) -> list[UUID]:
        request = pb.SearchMemoriesRequest(
            query=question, limit=_LIMIT, strategy=_STRATEGIES[strategy]
        )
        answer = await self._stub.SearchMemories(request, metadata=self._metadata(tenant))
        return [UUID(each.memory.name.partition("/")[2]) for each in answer.results]

    def _metadata(self, tenant: str) -> tuple[tuple[str, str], ...]:
        if tenant not in self._tokens:
            self._tokens[tenant] = self._stack.token(tenant)
        return (("authorization", f"Bearer {self._tokens[tenant]}"),)

    async def recall(self, superuser: asyncpg.Connection, tenants: Sequence[str]) -> Row:
        """How many of the exact nearest a semantic search gives."""
        embedder = LocalEmbedder()
        exact = _EXACT.format(d=embedder.dimensions)
        found = wanted = 0
        async with grpc.aio.insecure_channel(self._stack.addresses.memory) as channel:
            self._stub = pb_grpc.MemoryServiceStub(channel)
            for place, question in enumerate(self._questions[:50]):
                tenant = tenants[place % len(tenants)]
                (vector,) = await embedder.embed([question])
                rows = await superuser.fetch(exact, tenant, packed(vector), _LIMIT)
                nearest = {row[0] for row in rows}
                given = await self._ask(tenant, question, "semantic")
                found, wanted = found + len(nearest & set(given)), wanted + len(nearest)
        return {"tenants": f"{self._count:,}", f"recall@{_LIMIT}": found / wanted}


def _report(sizes: Sizes, source: str, rows: Mapping[str, Sequence[Row]]) -> Report:
    facts = [
        f"{sizes.memories:,} memories in all, of {source}; {_PROBES} probes of {sizes.probe:,};"
        f" the others share the rest equally, {_SAMPLED} of them are asked. One client;"
        f" {sizes.searches} calls a side and round, {sizes.rounds} rounds.",
        "Tables are filled by COPY with what the services' own code sealed, hashed and embedded"
        " (frequencies of terms are 1); vectors differ from their texts' by a tenth of their"
        " length. Tenants are created, and searches made, through the RPCs.",
        "The sides take turns within a number of tenants; the numbers follow each other, so compare"
        " them by what is divided by GetMemory's, or by CPU (of services and PostgreSQL, a call).",
        "Ratios are the highest over the lowest across numbers of tenants.",
    ]
    measures = {"p95": "p95 / GetMemory's", "cpu": "CPU, ms"}
    summary = {
        f"{asked}_{call}_{name}_ratio": _ratio(rows["search"], asked, call, column)
        for asked in ("probes", "others")
        for call in _STRATEGIES
        for name, column in measures.items()
    }
    summary["create_p95_ms"] = max(float(str(row["p95, ms"])) for row in rows["create"])
    summary["recall_at_10"] = min(float(str(row[f"recall@{_LIMIT}"])) for row in rows["recall"])
    sections = [
        Section("Search", rows["search"]),
        Section("Creating a tenant", rows["create"]),
        Section("Semantic search against exact neighbours", rows["recall"]),
    ]
    return Report("scale", "Scale: tenants", sections, facts, summary)


def _ratio(rows: Sequence[Row], asked: str, call: str, column: str) -> float:
    figures = [
        float(str(row[column])) for row in rows if (row["asked"], row["call"]) == (asked, call)
    ]
    return max(figures) / min(figures)


def _cpu(costs: Mapping[str, float]) -> tuple[float, float]:
    return costs["service, ms"], costs["postgres, ms"]
