"""Entities by likeness: what the index finds, as the rows say it now.

Where both are in one database one statement reads them, so that they agree; an index elsewhere may
lag, and more is asked of it than is wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

from libs.changes import E, Vector
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors import Collection, Filter, Hit, Owed, Reach, VectorIndex

_SPARE = 8  # hits beyond the limit, for those whose row is gone or says otherwise


class Scored(NamedTuple, Generic[E]):
    """An entity with its cosine similarity, -1 to 1."""

    entity: E
    score: float


@dataclass(frozen=True)
class Nearest(Generic[E]):
    """The entities of a table by the vectors of a collection; `owed` are those that are to
    have one."""

    table: VersionedTable[E]
    index: VectorIndex
    collection: Collection
    owed: Owed

    async def __call__(
        self,
        route: Route,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> Sequence[Scored[E]]:
        """The nearest that exist, best first, `limit` or a few more.

        The index's word for `where` may be older than the row: check what is filtered.

        Raises:
            IndexUnavailable, StoreUnavailable: As they say.
        """
        wanted = limit + (_SPARE if where else 0)
        within = self.index.within(self.collection, vector, where, wanted, reach)
        if within:
            rows = await within.fetch(route, self.table.scored_sql)
            return [Scored(self.table.entity(row), row["score"]) for row in rows]
        hits = await self.hits(route, vector, where, limit + _SPARE, reach)
        scores = {hit.id: hit.score for hit in hits}
        found = await self.table.get_many(route, list(scores))
        return [Scored(each, scores[each.id]) for each in found]

    async def hits(
        self,
        route: Route,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> list[Hit]:
        """What the index finds, best first, at most `limit`.

        Raises:
            IndexUnavailable: Also where it has lost its data.
        """
        length = reach.dimensions if reach else self.collection.dimensions
        await self.index.demand_whole(route, self.collection, length, self.owed)
        hits = await self.index.search(route, self.collection, vector, where, limit, reach)
        if not hits:  # it may have shown that nothing is there any more
            await self.index.demand_whole(route, self.collection, length, self.owed)
        return hits
