"""Gathering the memories that may answer a query: asks both indexes, and looks beside what they
found."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import structlog

from libs.changes import Vector
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.embedding.errors import EmbedderAnswerInvalid, EmbedderRefused
from libs.encryption.keyring import Keyring
from libs.errors import AppError, Kind
from libs.lexical import hashed
from libs.lexical.analysis import terms
from libs.lexical.postings import Matches, Postings
from libs.tenancy import Route
from libs.usage import Attribution
from libs.usage.errors import SpendingRefused
from libs.vectors import IndexUnavailable, Reach
from libs.vectors.nearest import Nearest
from services.memory.aging import AgingOf
from services.memory.domain.memory import Stored, View, precedence
from services.memory.domain.pool import Candidate
from services.memory.domain.ranking import fused
from services.memory.opening import opened_texts
from services.memory.ports import Memories, Near

log = structlog.get_logger(__name__)

DEPTH = 32  # memories that each index is asked for, unless more results are wanted
_MOST = 1000  # that it can be asked for
_PATIENCE = timedelta(seconds=5)  # with what gives meaning; it may try again for a minute
_CENTRES = 2 / 3  # share of them, the best by both: what is next to them may be the answer, too
_NONE: AbstractSet[UUID] = frozenset()
# Words go on alone when the embedder must not be asked, or its operator has to look at it.
_WITHOUT = (SpendingRefused, EmbedderRefused, EmbedderAnswerInvalid)


class Meaning(NamedTuple):
    """The vector of a query, and the cosines of the memories nearest to it."""

    vector: Vector
    hits: Mapping[UUID, float]


@dataclass(frozen=True, slots=True)
class Haul:
    """What one query brought.

    Attributes:
        candidates: Memories that may answer, with their texts.
        rows: The same as they are stored.
        cosines: Of memory and query, or what it is asked for, as far as they could be had.
        meaning: Of the query; None when embedder or index did not answer.
        matches: What the words found.
        hashes: Of the query's terms.
    """

    candidates: Sequence[Candidate]
    rows: Mapping[UUID, Stored]
    cosines: Mapping[UUID, float]
    meaning: Meaning | None
    matches: Matches
    hashes: Mapping[str, int]


@dataclass(frozen=True)
class Retriever:
    """Both indexes of memories, and the memories.

    Attributes:
        reach: Among vectors.
        patience: How long words wait for meaning, which then is left out.
    """

    memories: Memories
    keyring: Keyring
    embedder: TenantEmbedder
    nearest: Nearest[Stored]
    postings: Postings
    aging: AgingOf
    reach: Reach | None = None
    patience: timedelta = field(default_factory=lambda: _PATIENCE)

    async def haul(
        self,
        route: Route,
        view: View,
        text: str,
        fresh: int = DEPTH,
        seen: AbstractSet[UUID] = _NONE,
        asked_for: Haul | None = None,
    ) -> Haul:
        """What a query brings by words and by meaning, beside what was seen before.

        Args:
            fresh: Memories that each index is to bring.
            asked_for: What the question brought that the query is asked for, if it is another one.
        Raises:
            StoreUnavailable: The shard cannot be reached.
        """
        depth = min(fresh + len(seen), _MOST)
        hashes = await self.hashes(route, text)
        meaning, matches = await asyncio.gather(
            self._meaning(route, view, text, depth), self.matches(route, view, hashes, depth)
        )
        cosines = _fresh(meaning.hits if meaning else {}, seen, fresh)
        words = _fresh(dict(matches.best), seen, fresh)
        near = await self._near(route, cosines, words, round(_CENTRES * fresh))
        shown = [each for each in near if each.memory.id not in seen and view.shows(each.memory)]
        rows = {each.memory.id: each.memory for each in shown}
        compared, known = (asked_for.meaning, {}) if asked_for else (meaning, cosines)
        candidates, others = await asyncio.gather(
            self._candidates(route, shown),
            self._cosines(route, compared, rows.keys() - known.keys()),
        )
        return Haul(candidates, rows, known | others, meaning, matches, hashes)

    async def vector(self, route: Route, view: View, text: str) -> Vector:
        """Of a query; raises EmbedderUnavailable and so on."""
        about = Text(text, view.scope.user_id, Attribution.of(view.scope))
        vector: Vector = (await self.embedder.embed(route, [about], Purpose.QUERY))[0]
        return vector

    async def hashes(self, route: Route, text: str) -> dict[str, int]:
        """Of a query's terms."""
        return await hashed(self.keyring, route, list(terms(text)))

    async def matches(
        self, route: Route, view: View, hashes: Mapping[str, int], limit: int
    ) -> Matches:
        """What the words of a query find."""
        return await self.postings.search(route, list(hashes.values()), view.filter(), limit)

    async def _cosines(
        self, route: Route, meaning: Meaning | None, ids: Collection[UUID]
    ) -> dict[UUID, float]:
        """Of a query and these memories; none while the index is away."""
        if not meaning:
            return {}
        index, collection = self.nearest.index, self.nearest.collection
        try:
            hits = await index.scores(route, collection, meaning.vector, list(ids), self.reach)
        except IndexUnavailable:
            return {}
        return {hit.id: hit.score for hit in hits}

    async def _meaning(self, route: Route, view: View, text: str, limit: int) -> Meaning | None:
        """The nearest; None when embedder or index do not answer in time, or the
        embedder is of no use."""
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                return await self._asked(route, view, text, limit)
        except TimeoutError:
            log.warning("search.without_meaning", error="TIMEOUT")
        except AppError as exc:
            if exc.kind is not Kind.UNAVAILABLE and not isinstance(exc, _WITHOUT):
                raise
            log.warning("search.without_meaning", error=exc.reason)
        return None

    async def _asked(self, route: Route, view: View, text: str, limit: int) -> Meaning:
        vector = await self.vector(route, view, text)
        hits = await self.nearest.hits(route, vector, view.filter(), limit, self.reach)
        return Meaning(vector, {hit.id: hit.score for hit in hits})

    async def _near(
        self,
        route: Route,
        cosines: Mapping[UUID, float],
        words: Mapping[UUID, float],
        count: int,
    ) -> list[Near]:
        """What was found, and what is next to the best `count` of it."""
        centres = fused(cosines, words)[:count]
        return await self.memories.around(route, [*{**cosines, **words}], centres)

    async def _candidates(self, route: Route, near: Sequence[Near]) -> list[Candidate]:
        texts = await opened_texts(self.keyring, route, [each.memory for each in near])
        matters = await self.aging(route)
        return [
            _candidate(each, *text, matters(each.memory))
            for each, text in zip(near, texts, strict=True)
        ]


def _candidate(near: Near, content: str, author: str, importance: float) -> Candidate:
    memory = near.memory
    return Candidate(
        memory.id,
        content,
        author,
        memory.session,
        memory.event_at,
        near.before,
        near.after,
        precedence(memory.layer),
        importance,
        memory.trust,
    )


def _fresh(found: Mapping[UUID, float], seen: AbstractSet[UUID], count: int) -> dict[UUID, float]:
    """The best that were not seen before."""
    return dict(islice(((each, score) for each, score in found.items() if each not in seen), count))
