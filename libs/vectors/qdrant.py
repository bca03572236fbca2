"""The vector index in a Qdrant server, over REST: one collection for vectors that compare.

Tenants share a collection; a point's id is made of tenant and entity, and every request names the
tenant. Knows nothing of what the ids in a payload mean.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from json import JSONDecodeError
from typing import TypeVar
from uuid import UUID

import structlog
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from libs.changes import Vector
from libs.spine import Write, writing
from libs.tenancy import Route, TenantId
from libs.vectors import Collection, Filter, Hit, IndexUnavailable, Owed, Point, Reach, Then
from libs.vectors.filters import Rows
from libs.vectors.layouts import Layouts
from libs.vectors.losing import Looks
from libs.vectors.matching import matching_ids
from libs.vectors.qdrant_points import (
    ENTITY,
    INDEXES,
    Place,
    among,
    entity_of,
    hit,
    is_of,
    operations,
    passing,
    point_id,
    question,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

# No answer in time or at all; too many requests; an answer that is not Qdrant's.
_OUTAGES = (TimeoutError, ResponseHandlingException, QdrantException, JSONDecodeError)
_LISTED = 10_000  # rows that match a filter and are named to the server one by one
_WIDER, _DEEPEST = 4, 10_000  # where more match: how many more hits are read each time, and at most
_OUR_FAULT = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True)
class QdrantIndex:
    """`VectorIndex` over Qdrant collections, which are made when first written to.

    Attributes:
        replicas: Copies of a collection that is made.
        patience: Time for one call of the port, however many requests it takes.
    """

    client: AsyncQdrantClient
    replicas: int
    patience: timedelta
    layouts: Layouts = field(default_factory=Layouts)
    looks: Looks = field(default_factory=Looks)
    _ready: set[str] = field(default_factory=set)

    async def apply(
        self,
        route: Route,
        collection: Collection,
        points: Sequence[Point],
        then: Then | None = None,
    ) -> None:
        layout = await self.layouts.now(route, collection)
        await self._put(route.tenant, collection, layout.held, points)
        while then or collection.prefixes:
            async with writing(route, durable=False) as write:
                now = await self.layouts.locked(write, collection)
                if now == layout:
                    if then:
                        await then(write)
                    return
            # It changed meanwhile: what was written has to be where it is held now, only there.
            await self._put(route.tenant, collection, now.held, points)
            gone = [replace(point, vector=None) for point in points]
            await self._put(route.tenant, collection, layout.held - now.held, gone)
            layout = now

    def join(self, write: Write, collection: Collection, points: Sequence[Point]) -> bool:
        return False

    async def _put(
        self,
        tenant: TenantId,
        collection: Collection,
        lengths: Iterable[int],
        points: Sequence[Point],
    ) -> None:
        for length in lengths:
            place = Place(collection, length)
            if changes := operations(tenant, points, place):
                await self._update(place, changes)

    async def _update(self, place: Place, changes: list[models.UpdateOperation]) -> None:
        async with self._answering():
            if place.name not in self._ready:
                await self._prepare(place)
            # Through one leader, or replicas might keep different outcomes of simultaneous writes.
            results = await self.client.batch_update_points(
                place.name, changes, wait=True, ordering=models.WriteOrdering.STRONG
            )
        if any(result.status != models.UpdateStatus.COMPLETED for result in results):
            raise self._unavailable("accepted, but not visible in time")

    async def demand_whole(
        self, route: Route, collection: Collection, length: int, owed: Owed
    ) -> None:
        place, chosen = Place(collection, length), models.Filter(must=[is_of(route.tenant)])
        held = partial(self._count, place.name, chosen)
        await self.looks.demand(route, place.name, held, owed)

    async def search(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> list[Hit]:
        chosen = passing(route.tenant, where)
        rows = [each for each in where.values() if isinstance(each, Rows)]
        if not rows:
            return await self._query(collection, vector, chosen, limit, reach)
        (among_rows,) = rows
        few = await matching_ids(route, among_rows, _LISTED + 1)
        if len(few) <= _LISTED:
            chosen = among(chosen, route.tenant, few)
            return await self._query(collection, vector, chosen, limit, reach) if few else []
        return await self._widening(route, collection, vector, chosen, among_rows, limit, reach)

    async def _widening(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        chosen: models.Filter,
        rows: Rows,
        limit: int,
        reach: Reach | None,
    ) -> list[Hit]:
        """Looks further until enough of what is found has a row that matches: many do."""
        asked = limit
        while True:
            asked = min(asked * _WIDER, _DEEPEST)
            hits = await self._query(collection, vector, chosen, asked, reach)
            fit = set(await matching_ids(route, rows, asked, [hit.id for hit in hits]))
            kept = [hit for hit in hits if hit.id in fit]
            if len(kept) >= limit or len(hits) < asked or asked == _DEEPEST:
                return kept[:limit]

    async def scores(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        ids: Sequence[UUID],
        reach: Reach | None = None,
    ) -> list[Hit]:
        if not ids:
            return []
        points = models.HasIdCondition(has_id=[point_id(route.tenant, each) for each in ids])
        chosen = models.Filter(must=[is_of(route.tenant), points])
        exactly = reach and replace(reach, oversampling=min(reach.oversampling, 1))
        return await self._query(collection, vector, chosen, len(ids), exactly)

    async def _query(
        self,
        collection: Collection,
        vector: Vector,
        chosen: models.Filter,
        limit: int,
        reach: Reach | None,
    ) -> list[Hit]:
        place = Place(collection, reach.dimensions if reach else collection.dimensions)
        asked = question(place, vector, chosen, limit, reach)
        call = self.client.query_points(place.name, **asked, limit=limit, with_payload=[ENTITY])
        found = await self._of_some(call)
        return [hit(point) for point in found.points] if found else []

    def within(
        self,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> None:
        return None

    async def vectors(
        self, route: Route, collection: Collection, ids: Sequence[UUID], length: int
    ) -> dict[UUID, Vector]:
        place = Place(collection, length)
        points = [point_id(route.tenant, each) for each in ids]
        call = self.client.retrieve(place.name, points, with_payload=[ENTITY], with_vectors=True)
        found = await self._of_some(call) or []
        return {entity_of(point): place.whole(point.vector) for point in found}

    async def purge(self, route: Route, collection: Collection, limit: int) -> int:
        held = (await self.layouts.now(route, collection)).held
        chosen = models.Filter(must=[is_of(route.tenant)])
        removed = 0
        for length in sorted(set(collection.lengths) - held):
            removed += await self._remove(Place(collection, length).name, chosen)
        return removed

    async def _remove(self, name: str, chosen: models.Filter) -> int:
        count = await self._count(name, chosen)
        if count:
            async with self._answering():
                await self.client.delete(name, chosen, wait=True)
        return count

    async def _count(self, name: str, chosen: models.Filter) -> int:
        found = await self._of_some(self.client.count(name, count_filter=chosen))
        return found.count if found else 0

    async def _of_some(self, call: Awaitable[T]) -> T | None:
        """What a collection answers; None where it is not there."""
        async with self._answering():
            try:
                return await call
            except UnexpectedResponse as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:
                    self.looks.forget()
                    return None
                raise

    async def _prepare(self, place: Place) -> None:
        """Makes a collection with its payload indexes, or what is missing of it."""
        name = place.name
        try:
            await self.client.create_collection(
                name, place.vectors(), replication_factor=self.replicas
            )
        except UnexpectedResponse as exc:
            if exc.status_code != HTTPStatus.CONFLICT:  # another process may be faster
                raise
        for key, schema in INDEXES.items():
            await self.client.create_payload_index(name, key, schema)
        self._ready.add(name)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Turns failures into IndexUnavailable, but not the refusal of a request that is wrong."""
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                yield
        except _OUTAGES as exc:
            raise self._unavailable(type(exc).__name__) from exc
        except UnexpectedResponse as exc:
            if exc.status_code in _OUR_FAULT:
                raise
            raise self._unavailable(f"HTTP status {exc.status_code}") from exc

    def _unavailable(self, problem: str) -> IndexUnavailable:
        log.warning("vector_index.failed", problem=problem)
        self._ready.clear()  # the server may come back without its collections
        self.looks.forget()
        return IndexUnavailable()


@asynccontextmanager
async def open_qdrant(
    url: str,
    api_key: str | None,
    *,
    replication_factor: int = 1,
    patience: timedelta = timedelta(seconds=5),
) -> AsyncIterator[QdrantIndex]:
    """The index of the server whose REST port is at `url`; connects when first used.

    Args:
        replication_factor: Copies of the collections that are made; others stay as they are.
        patience: Time for one call of the port.
    """
    # The client's own `api_key` warns of plain HTTP, which is usual inside a cluster.
    headers = {"api-key": api_key} if api_key else {}
    client = AsyncQdrantClient(url=url, headers=headers, check_compatibility=False)
    try:
        yield QdrantIndex(client, replication_factor, patience)
    finally:
        await client.close()
