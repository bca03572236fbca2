"""Answering a question over several searches: plan, retrieve, reflect on what is missing, go on.

Every hop asks for what was not seen before; all that was found is held against the question as it
was asked. The steps are told as they happen, and can be replayed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from libs.metrics import REASONING_HOPS
from libs.tenancy import Route
from libs.usage import Attribution, Payer
from services.memory.domain.abstention import answerable, relevance
from services.memory.domain.memory import Stored
from services.memory.domain.plan import weighed
from services.memory.domain.pool import Candidate
from services.memory.domain.ranking import ranked
from services.memory.planning import Findings, Plan, Planner, Replay, Rules
from services.memory.retrieval import Haul
from services.memory.search import SEMANTIC, Judged, Query, Results, Search, nothing

HOPS, QUERIES = 3, 50  # at most
_DEPTH, _MORE = 60, 30  # memories that the first query and each other one bring from each index
_AT_ONCE = 4  # queries under way
_TOLD = 10  # best memories that a step names
_NOTHING = Plan("", (), ())
_RULES = Rules()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """What one question may cost; `replay` are the queries of each hop of an earlier answer, to be
    asked again."""

    time: timedelta = timedelta(seconds=3)
    hops: int = HOPS
    replay: Sequence[Sequence[str]] = ()


USUAL = Budget()


class Hop(NamedTuple):
    """Queries, who chose them, and how many memories they brought that were not seen before."""

    planner: str
    queries: Sequence[str]
    new: int


@dataclass(frozen=True, slots=True)
class Step:
    """A hop, what of the question is missing after it, and the best memories so far."""

    hop: Hop
    missing: Sequence[str]
    best: Sequence[UUID]
    elapsed: timedelta  # since the question was asked


@dataclass
class _Pursuit:
    """A question, and everything that was found for it so far."""

    route: Route
    query: Query
    first: Haul
    judged: Judged
    asked: list[str]
    candidates: dict[UUID, Candidate] = field(default_factory=dict)
    rows: dict[UUID, Stored] = field(default_factory=dict)
    cosines: dict[UUID, float] = field(default_factory=dict)
    blind: bool = False  # whether meaning could not be had at some point

    def add(self, haul: Haul) -> None:
        """Takes in what a query brought."""
        self.blind |= haul.meaning is None
        self.candidates = {each.id: each for each in haul.candidates} | self.candidates
        self.rows |= haul.rows
        self.cosines |= haul.cosines

    def fresh(self, queries: Sequence[str]) -> list[str]:
        """Those that were not asked yet, as many as may still be asked."""
        fresh = [each for each in dict.fromkeys(queries) if each not in self.asked]
        return fresh[: QUERIES - len(self.asked)]

    def step(self, hop: Hop, plan: Plan, elapsed: timedelta) -> Step:
        pool, found = self.judged.pool, self.judged.evidence
        best = [pool.items[at].id for at in found.best(_TOLD)]
        return Step(hop, plan.missing, best, elapsed)


@dataclass(frozen=True)
class Reasoning:
    """Searches until nothing new comes, nobody knows what to ask, or the budget is spent."""

    search: Search
    planner: Planner

    async def __call__(self, route: Route, query: Query, budget: Budget = USUAL) -> Results:
        """The results alone."""
        *_, last = [each async for each in self.steps(route, query, budget)]
        assert isinstance(last, Results)
        return last

    async def steps(
        self, route: Route, query: Query, budget: Budget = USUAL
    ) -> AsyncIterator[Step | Results]:
        """Each hop when it is done, then the results: of what there is when the time is over.

        Raises:
            StoreUnavailable: The shard cannot be reached.
        """
        planner = Replay(budget.replay) if budget.replay else self.planner
        clock = _Clock(budget.time)
        depth = query.view.deep(max(_DEPTH, query.limit))
        patient = self.search.waiting(budget.time)
        first = await patient.retriever.haul(route, query.view, query.text, depth)
        clock.over = first.meaning is None and clock.left <= timedelta(0)
        if not first.candidates:  # whoever has a memory has one that is nearest
            yield nothing(first)
            return
        pursuit = await self._begin(route, query, first)
        payer = Payer(route, Attribution.of(query.view.scope))
        hop = Hop("", [query.text], len(pursuit.candidates))
        for hops in range(1, budget.hops + 1):
            more = hop.new > 0 and hops < budget.hops
            findings = Findings(query.text, hops, pursuit.judged, pursuit.asked, payer)
            plan = await clock.within((planner if more else _RULES)(findings)) or _NOTHING
            yield pursuit.step(hop, plan, clock.elapsed)
            queries = pursuit.fresh(plan.queries) if more else []
            new = await clock.within(self._ask(pursuit, queries)) if queries else None
            if new is None:
                break
            hop = Hop(plan.planner, queries, new)
        REASONING_HOPS.observe(hops)
        yield await self._results(pursuit, partial=clock.over)

    async def _begin(self, route: Route, query: Query, first: Haul) -> _Pursuit:
        judged = await self._judged(query.text, first, first.candidates, first.cosines)
        pursuit = _Pursuit(route, query, first, judged, asked=[query.text])
        pursuit.add(first)
        return pursuit

    async def _ask(self, pursuit: _Pursuit, queries: Sequence[str]) -> int:
        """Asks queries at once; how many memories are new."""
        free, seen = asyncio.Semaphore(_AT_ONCE), pursuit.candidates.keys()
        retriever, route, first = self.search.retriever, pursuit.route, pursuit.first

        async def ask(query: str) -> Haul:
            async with free:
                return await retriever.haul(route, pursuit.query.view, query, _MORE, seen, first)

        hauls = await asyncio.gather(*map(ask, queries))
        before = len(pursuit.candidates)
        pursuit.asked += queries
        for haul in hauls:
            pursuit.add(haul)
        if new := len(pursuit.candidates) - before:
            candidates = list(pursuit.candidates.values())
            pursuit.judged = await self._judged(
                pursuit.query.text, first, candidates, pursuit.cosines
            )
        return new

    async def _judged(
        self,
        text: str,
        first: Haul,
        candidates: Sequence[Candidate],
        cosines: Mapping[UUID, float],
    ) -> Judged:
        statistics = first.matches.statistics
        judge = self.search.judge
        return await asyncio.to_thread(judge, text, candidates, cosines, statistics, first.hashes)

    async def _results(self, pursuit: _Pursuit, *, partial: bool) -> Results:
        missing = (SEMANTIC,) if pursuit.blind else ()
        question, pool, found = pursuit.judged
        answer = answerable(question, pool, found)
        words = self.search.judge.words
        last = await asyncio.to_thread(weighed, pursuit.query.text, pool, found, words)
        order = ranked(pool, last, relevance(last, answer))
        shown = await self.search.shown(pursuit.route, pursuit.query, order, pursuit.rows)
        return Results(shown, missing, answer, partial)


class _Clock:
    """How much time is left."""

    def __init__(self, limit: timedelta) -> None:
        self._begun, self._limit = time.monotonic(), limit
        self.over = False

    @property
    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._begun)

    @property
    def left(self) -> timedelta:
        return self._limit - self.elapsed

    async def within(self, work: Awaitable[T]) -> T | None:
        """What the work gives; None when the time was over before."""
        try:
            async with asyncio.timeout(self.left.total_seconds()):
                return await work
        except TimeoutError:
            self.over = True
            return None
