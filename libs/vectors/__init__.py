"""The vector index port: a projection of PostgreSQL's rows that may lag and may be lost.

What it finds is always read again from PostgreSQL, so a stale index never shows a deleted or
foreign row.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg

from libs.changes import Vector
from libs.errors import AppError, Kind
from libs.spine import Write, read
from libs.tenancy import Route
from libs.vectors.filters import Filter as Filter

# What is to be written down once the points are in the index, in a write of the tenant.
Then = Callable[[Write], Awaitable[None]]


LENGTHS = (64, 128, 256, 384, 512, 768, 1024, 1536, 3072)  # that an index may have


@dataclass(frozen=True, slots=True)
class Collection:
    """Vectors that compare with each other.

    Attributes:
        space: The identity of their embedder.
        dimensions: Of a whole vector.
        prefixes: Shorter lengths that it may be searched by, ascending: those that the model was
            trained for.
    """

    name: str
    space: str
    dimensions: int
    prefixes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a length that no index has."""
        for length in self.lengths:
            if length not in LENGTHS:
                raise ValueError(f"no index has vectors of {length} dimensions, only of {LENGTHS}")

    @property
    def lengths(self) -> tuple[int, ...]:
        """What it may be searched by, ascending; the whole vector is the last."""
        return (*self.prefixes, self.dimensions)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a search by a prefix looks.

    Attributes:
        dimensions: Of the prefix; the tenant's layout holds it.
        oversampling: Candidates for each hit that is wanted. They are found by the prefix and
            ordered by the whole vector, whose cosine is their score. 0: the prefix alone finds,
            orders and scores.
    """

    dimensions: int
    oversampling: int

    @property
    def rescored(self) -> bool:
        """Whether scores are those of whole vectors."""
        return self.oversampling > 0

    def candidates(self, limit: int) -> int:
        """How many the prefix is asked for."""
        return min(MOST_CANDIDATES, limit * self.oversampling) if self.rescored else limit


MOST_CANDIDATES = 1000  # of one search: pgvector keeps no more while it walks a graph


@dataclass(frozen=True, slots=True)
class Point:
    """An entity's vector with the ids and times to filter by; no vector: the entity is gone."""

    id: UUID
    vector: Vector | None
    payload: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A found entity; `score` is the cosine similarity, -1 to 1."""

    id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Within:
    """A search as SQL, for an index in the shard's own database.

    Attributes:
        hits: Statements that give (id, score), best first, at most `limit` of the tenant $1; when
            one gives fewer, the next may know of more.
        values: Of the parameters from $2 on.
        settings: Of PostgreSQL, while they run.
    """

    hits: Sequence[str]
    values: Sequence[object]
    limit: int
    settings: Mapping[str, str]

    async def fetch(self, route: Route, around: str = "{hits}") -> list[asyncpg.Record]:
        """The rows of the statement `around` hits."""
        rows: list[asyncpg.Record] = []
        for hits in self.hits:
            sql = around.format(hits=hits)
            rows = await read(route, sql, *self.values, settings=self.settings)
            if len(rows) >= self.limit:
                break
        return rows


class IndexUnavailable(AppError):
    """The vector index cannot be reached; what was written is safe and will be indexed later."""

    kind, reason = Kind.UNAVAILABLE, "INDEX_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The vector index is not available at the moment; retry.")


class Owed(Protocol):
    """What the rows say that an index is to hold."""

    async def up_to(self, route: Route, limit: int) -> int:
        """How many of the tenant's entities, counted up to a limit."""

    async def again(self, route: Route) -> None:
        """Queues all of them for projection."""


class VectorIndex(Protocol):
    """Nearest neighbours within one tenant. Every method raises IndexUnavailable when it is
    down."""

    async def apply(
        self,
        route: Route,
        collection: Collection,
        points: Sequence[Point],
        then: Then | None = None,
    ) -> None:
        """Puts or removes points; visible to `search` when it returns. Applying twice is
        harmless."""

    def join(self, write: Write, collection: Collection, points: Sequence[Point]) -> bool:
        """Puts points as part of a write, if the index is in the same database; False if not."""

    async def demand_whole(
        self, route: Route, collection: Collection, length: int, owed: Owed
    ) -> None:
        """Raises IndexUnavailable when the index has lost what the tenant's searches by a length
        look through, which is projected again then. Cheap enough to come before each of them."""

    async def search(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> list[Hit]:
        """The nearest points of the tenant that pass the filter, best first, at most `limit`.

        `vector` is whole. Without a reach it is by whole vectors that they are found.
        """

    async def scores(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        ids: Sequence[UUID],
        reach: Reach | None = None,
    ) -> list[Hit]:
        """Those of these entities of the tenant that are in the index, in any order, with scores
        that compare with those of a search of this reach."""

    def within(
        self,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> Within | None:
        """The search as SQL, if the index is in the shard's database; None if not."""

    async def vectors(
        self, route: Route, collection: Collection, ids: Sequence[UUID], length: int
    ) -> dict[UUID, Vector]:
        """The whole vectors, as far as it has them, of entities that are searched by a length."""

    async def purge(self, route: Route, collection: Collection, limit: int) -> int:
        """Removes up to about `limit` of the tenant's points of lengths that its layout does not
        hold; how many there were."""
