"""Finding memories: asks the indexes, fuses what they say, and reads the best from their rows."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import structlog

from libs.changes import Vector
from libs.embedding import Embedder
from libs.encryption.keyring import Keyring
from libs.errors import AppError, Kind
from libs.lexical import hashed
from libs.lexical.analysis import terms
from libs.lexical.postings import Matches, Postings
from libs.lexical.statistics import Statistics
from libs.tenancy import Route
from libs.vectors import IndexUnavailable, Reach
from libs.vectors.nearest import Nearest
from services.memory.domain.abstention import answerable
from services.memory.domain.memory import Memory, Stored, View
from services.memory.domain.pool import Candidate, Pool
from services.memory.domain.question import analysed
from services.memory.domain.ranking import Ranked, Signal, WordVectors, evidence, fused, ranked
from services.memory.operations import opened, opened_texts
from services.memory.ports import Memories, Near

log = structlog.get_logger(__name__)

SEMANTIC, LEXICAL = "semantic", "lexical"
_DEPTH = 60  # memories that each index is asked for, to fuse
_CENTRES = 40  # of them, the best by both: what is next to them may be the answer, too
_SPARE = 8  # results beyond the limit, for those whose row is gone or says otherwise


class _Meaning(NamedTuple):
    """The vector of a query, and the cosines of the memories nearest to it within a reach."""

    vector: Vector
    reach: Reach | None
    hits: Mapping[UUID, float]


class Strategy(Enum):
    """How to search."""

    SEMANTIC = auto()
    LEXICAL = auto()
    HYBRID = auto()


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for, from which point of view, and how."""

    text: str
    view: View
    limit: int
    floor: float | None  # results below this score are left out
    strategy: Strategy
    reach: Reach | None = None  # among vectors


@dataclass(frozen=True, slots=True)
class Found:
    """A result; `score` is the strategy's: a cosine, BM25 or a sum that compares within one search.

    `signals` are what it is made of.
    """

    memory: Memory
    score: float
    signals: Sequence[Signal]


@dataclass(frozen=True, slots=True)
class Results:
    """The best first; `missing` are the signals that could not be had."""

    found: Sequence[Found]
    missing: Sequence[str] = ()
    answerable: float | None = None  # how likely an answer is among them, if that is known


@dataclass(frozen=True)
class Search:
    """Every way to find memories, over the ports."""

    memories: Memories
    keyring: Keyring
    embedder: Embedder
    nearest: Nearest[Stored]
    postings: Postings
    words: WordVectors

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
            case Strategy.HYBRID:
                return await self._hybrid(route, query)

    async def _semantic(self, route: Route, query: Query) -> Results:
        vector = await self._vector(query)
        where = query.view.filter()
        nearest = await self.nearest(route, vector, where, query.limit, query.reach)
        order = [_single(SEMANTIC, each.entity.id, each.score) for each in nearest]
        rows = {each.entity.id: each.entity for each in nearest}
        return Results(await self._found(route, query, order, rows))

    async def _lexical(self, route: Route, query: Query) -> Results:
        hashes = await self._hashes(route, query)
        matches = await self._matches(route, query, hashes, query.limit + _SPARE)
        order = [_single(LEXICAL, each.id, each.score) for each in matches.best]
        wanted = await self.memories.get_many(route, [each.id for each in matches.best])
        rows = {each.id: each for each in wanted}
        return Results(await self._found(route, query, order, rows))

    async def _hybrid(self, route: Route, query: Query) -> Results:
        """By words and meaning; by words alone while meaning cannot be had."""
        hashes = await self._hashes(route, query)
        meaning, matches = await asyncio.gather(
            self._meaning(route, query), self._matches(route, query, hashes, _DEPTH)
        )
        pool, rows, cosines = await self._gather(route, query, meaning, matches)
        missing = () if meaning else (SEMANTIC,)
        if not rows:
            return Results([], missing, answerable=0.0)
        order, answer = await asyncio.to_thread(
            self._rank, query.text, pool, cosines, matches.statistics, hashes
        )
        return Results(await self._found(route, query, order, rows), missing, answer)

    async def _gather(
        self, route: Route, query: Query, meaning: "_Meaning | None", matches: Matches
    ) -> tuple[list[Candidate], dict[UUID, Stored], dict[UUID, float]]:
        """What was found and what is next to the best of it; its rows; its cosines."""
        cosines = dict(meaning.hits) if meaning else {}
        words = dict(matches.best)
        centres = fused(cosines, words)[:_CENTRES]
        near = await self.memories.around(route, [*{**cosines, **words}], centres)
        shown = [each for each in near if query.view.shows(each.memory)]
        rows = {each.memory.id: each.memory for each in shown}
        candidates, others = await asyncio.gather(
            self._candidates(route, shown),
            self._cosines(route, meaning, rows.keys() - cosines.keys()),
        )
        return candidates, rows, cosines | others

    async def _candidates(self, route: Route, near: Sequence[Near]) -> list[Candidate]:
        texts = await opened_texts(self.keyring, route, [each.memory for each in near])
        return [
            Candidate(
                each.memory.id,
                content,
                author,
                each.memory.session,
                each.memory.event_at,
                each.before,
                each.after,
            )
            for each, (content, author) in zip(near, texts, strict=True)
        ]

    def _rank(
        self,
        text: str,
        candidates: Sequence[Candidate],
        cosines: Mapping[UUID, float],
        statistics: Statistics,
        hashes: Mapping[str, int],
    ) -> tuple[Iterator[Ranked], float]:
        """The order of the candidates, and how likely an answer is among them."""
        pool = Pool(candidates)
        question = analysed(text, pool.authors)
        found = evidence(question, pool, cosines, statistics, hashes, self.words)
        return ranked(pool, found), answerable(question, pool, found)

    async def _meaning(self, route: Route, query: Query) -> "_Meaning | None":
        """The nearest; None when embedder or index do not answer."""
        try:
            vector = await self._vector(query)
            where, collection = query.view.filter(), self.nearest.collection
            hits = await self.nearest.index.search(
                route, collection, vector, where, _DEPTH, query.reach
            )
        except AppError as exc:
            if exc.kind is not Kind.UNAVAILABLE:
                raise
            log.warning("search.without_meaning", error=exc.reason)
            return None
        return _Meaning(vector, query.reach, {hit.id: hit.score for hit in hits})

    async def _cosines(
        self, route: Route, meaning: "_Meaning | None", ids: Collection[UUID]
    ) -> dict[UUID, float]:
        """Of memories that are not among the nearest; none while the index is away."""
        if not meaning:
            return {}
        index, collection = self.nearest.index, self.nearest.collection
        try:
            hits = await index.scores(route, collection, meaning.vector, list(ids), meaning.reach)
        except IndexUnavailable:
            return {}
        return {hit.id: hit.score for hit in hits}

    async def _hashes(self, route: Route, query: Query) -> dict[str, int]:
        return await hashed(self.keyring, route, list(terms(query.text)))

    async def _matches(
        self, route: Route, query: Query, hashes: Mapping[str, int], limit: int
    ) -> Matches:
        where = query.view.filter()
        return await self.postings.search(route, list(hashes.values()), where, limit)

    async def _vector(self, query: Query) -> Vector:
        vector: Vector = (await self.embedder.embed([query.text]))[0]
        return vector

    async def _found(
        self,
        route: Route,
        query: Query,
        order: Iterable[Ranked],
        rows: Mapping[UUID, Stored],
    ) -> list[Found]:
        """What may be shown of the order, at most the limit, opened."""
        fit = (
            each
            for each in order
            if each.id in rows
            and query.view.shows(rows[each.id])
            and (query.floor is None or each.score >= query.floor)
        )
        shown = list(islice(fit, query.limit))
        memories = await opened(self.keyring, route, [rows[each.id] for each in shown])
        return [
            Found(memory, each.score, each.signals)
            for memory, each in zip(memories, shown, strict=True)
        ]


def _single(signal: str, memory: UUID, score: float) -> Ranked:
    """Of an order by one signal alone."""
    return Ranked(memory, score, [Signal(signal, score, score)])
