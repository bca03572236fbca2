"""Finding memories: ranks what the indexes bring, and reads the best from their rows."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from libs.lexical.statistics import Statistics
from libs.tenancy import Route
from libs.vectors import Reach
from services.memory.domain.abstention import answerable, relevance
from services.memory.domain.memory import Memory, Stored, View
from services.memory.domain.pool import Candidate, Pool
from services.memory.domain.question import Question, analysed
from services.memory.domain.ranking import (
    Evidence,
    Ranked,
    Signal,
    WordVectors,
    evidence,
    ranked,
)
from services.memory.opening import opened
from services.memory.retrieval import DEPTH, Haul, Retriever

SEMANTIC, LEXICAL = "semantic", "lexical"
_SPARE = 8  # results beyond the limit, for those whose row is gone or says otherwise


class Strategy(Enum):
    """How to search."""

    SEMANTIC = auto()
    LEXICAL = auto()
    HYBRID = auto()
    REASONED = auto()


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for, from which point of view, and how.

    `floor` and `least_relevance`: results below are left out.
    """

    text: str
    view: View
    limit: int
    floor: float | None
    strategy: Strategy
    least_relevance: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A result; `score` is the strategy's: a cosine, BM25 or a sum that compares within one search.

    `signals` gives what it is made of; `relevance` is the chance that it answers, if that is known.
    """

    memory: Memory
    score: float
    relevance: float | None
    signals: Callable[[], Sequence[Signal]]


@dataclass(frozen=True, slots=True)
class Results:
    """The best first; `missing` are the signals that could not be had."""

    found: Sequence[Found]
    missing: Sequence[str] = ()
    answerable: float | None = None  # how likely an answer is among them, if that is known
    partial: bool = False  # whether time ran out before everything was tried


def nothing(haul: Haul) -> Results:
    """What is said of a query that brought no memory; that there is none, only if both indexes were
    asked."""
    if haul.meaning:
        return Results([], answerable=0.0)
    return Results([], (SEMANTIC,))


class Judged(NamedTuple):
    """Candidates, held against a question."""

    question: Question
    pool: Pool
    evidence: Evidence


@dataclass(frozen=True)
class Judge:
    """Holds candidates against a question."""

    words: WordVectors
    now: Callable[[], datetime]

    def __call__(
        self,
        text: str,
        candidates: Sequence[Candidate],
        cosines: Mapping[UUID, float],
        statistics: Statistics,
        hashes: Mapping[str, int],
    ) -> Judged:
        """What speaks for each candidate; the arguments are those of `evidence`."""
        pool = Pool(candidates)
        there = {term: code for term, code in hashes.items() if code in statistics.holding}
        rarity = {term: statistics.rarity(code) for term, code in there.items()}
        now = self.now()
        question = analysed(text, pool.authors, now.date()).shortened(rarity)
        found = evidence(question, pool, cosines, statistics, hashes, self.words, now)
        return Judged(question, pool, found)


@dataclass(frozen=True)
class Search:
    """Every way to find memories by one query."""

    retriever: Retriever
    judge: Judge

    def reaching(self, reach: Reach) -> "Search":
        """The same, which looks as far among vectors."""
        return replace(self, retriever=replace(self.retriever, reach=reach))

    def waiting(self, patience: timedelta) -> "Search":
        """The same, which waits no longer for meaning."""
        shorter = min(patience, self.retriever.patience)
        return replace(self, retriever=replace(self.retriever, patience=shorter))

    async def __call__(self, route: Route, query: Query) -> Results:
        """The memories that the query finds.

        Raises:
            StoreUnavailable: The shard cannot be reached.
            IndexUnavailable, EmbedderUnavailable: As they say, where meaning is all that counts.
        """
        match query.strategy:
            case Strategy.SEMANTIC:
                return await self._semantic(route, query)
            case Strategy.LEXICAL:
                return await self._lexical(route, query)
            case _:
                return await self._hybrid(route, query)

    async def _semantic(self, route: Route, query: Query) -> Results:
        vector = await self.retriever.vector(route, query.view, query.text)
        where = query.view.filter()
        nearest = await self.retriever.nearest(
            route, vector, where, query.view.deep(query.limit), self.retriever.reach
        )
        order = [_single(SEMANTIC, each.entity.id, each.score) for each in nearest]
        rows = {each.entity.id: each.entity for each in nearest}
        return Results(await self.shown(route, query, order, rows))

    async def _lexical(self, route: Route, query: Query) -> Results:
        hashes = await self.retriever.hashes(route, query.text)
        limit = query.view.deep(query.limit) + _SPARE
        matches = await self.retriever.matches(route, query.view, hashes, limit)
        order = [_single(LEXICAL, each.id, each.score) for each in matches.best]
        wanted = await self.retriever.memories.get_many(route, [each.id for each in matches.best])
        return Results(await self.shown(route, query, order, {each.id: each for each in wanted}))

    async def _hybrid(self, route: Route, query: Query) -> Results:
        """By words and meaning; by words alone while meaning cannot be had."""
        depth = query.view.deep(max(DEPTH, query.limit))
        haul = await self.retriever.haul(route, query.view, query.text, depth)
        if not haul.candidates:
            return nothing(haul)
        missing = () if haul.meaning else (SEMANTIC,)
        order, answer = await asyncio.to_thread(self._rank, query.text, haul)
        return Results(await self.shown(route, query, order, haul.rows), missing, answer)

    def _rank(self, text: str, haul: Haul) -> tuple[Iterator[Ranked], float]:
        """The order of the candidates, and how likely an answer is among them."""
        statistics = haul.matches.statistics
        judged = self.judge(text, haul.candidates, haul.cosines, statistics, haul.hashes)
        answer = answerable(*judged)
        chances = relevance(judged.evidence, answer)
        return ranked(judged.pool, judged.evidence, chances), answer

    async def shown(
        self,
        route: Route,
        query: Query,
        order: Iterable[Ranked],
        rows: Mapping[UUID, Stored],
    ) -> list[Found]:
        """What may be shown of the order, at most the limit, opened."""
        fit = (each for each in order if each.id in rows and _wanted(query, each, rows[each.id]))
        shown = list(islice(fit, query.limit))
        stored = [rows[each.id] for each in shown]
        memories = await opened(self.retriever.keyring, route, stored)
        return [
            Found(memory, each.score, each.relevance, each.signals)
            for memory, each in zip(memories, shown, strict=True)
        ]


def _wanted(query: Query, each: Ranked, memory: Stored) -> bool:
    return (
        query.view.shows(memory)
        and (query.floor is None or each.score >= query.floor)
        and (each.relevance is None or each.relevance >= query.least_relevance)
    )


def _single(signal: str, memory: UUID, score: float) -> Ranked:
    """Of an order by one signal alone."""
    return Ranked(memory, score, None, lambda: [Signal(signal, score, score)])
