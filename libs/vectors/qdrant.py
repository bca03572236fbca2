"""The vector index in a Qdrant server, over REST: one collection for vectors that compare.

Tenants share a collection; a point's id is made of tenant and entity, and every request names the
tenant. Prefixes of vectors are searched in collections of their own, one for each length, that keep
the whole vector beside them, on disk and without a graph. Knows nothing of what the ids in a
payload mean.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from json import JSONDecodeError
from typing import Any
from uuid import UUID, uuid5

import structlog
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from libs.changes import Vector
from libs.embedding.rules import shortened
from libs.scope import SCOPE_IDS
from libs.spine import Write, writing
from libs.tenancy import Route, TenantId
from libs.vectors import Collection, Filter, Hit, IndexUnavailable, Point, Reach, Then
from libs.vectors.layouts import LayoutReader, Layouts

log = structlog.get_logger(__name__)

# A point's payload: tenant and entity, and apart from them, so that no key can pass for these, the
# ids to filter by.
_TENANT, _ENTITY, _IDS = "tenant", "entity", "ids"
_SHORT, _WHOLE = "short", "whole"  # vectors of a point in a collection of prefixes
_INDEXES = {
    _TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    **{
        f"{_IDS}.{key}": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
        for key in ("layer", *SCOPE_IDS)
    },
}
# No answer in time or at all; too many requests; an answer that is not Qdrant's.
_OUTAGES = (TimeoutError, ResponseHandlingException, QdrantException, JSONDecodeError)
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
    layouts: LayoutReader = field(default_factory=Layouts)
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
            if operations := _operations(tenant, points, _Place(collection, length)):
                await self._update(_Place(collection, length), operations)

    async def _update(self, place: "_Place", operations: list[models.UpdateOperation]) -> None:
        async with self._answering():
            if place.name not in self._ready:
                await self._prepare(place)
            # Through one leader, or replicas might keep different outcomes of simultaneous writes.
            results = await self.client.batch_update_points(
                place.name, operations, wait=True, ordering=models.WriteOrdering.STRONG
            )
        if any(result.status != models.UpdateStatus.COMPLETED for result in results):
            raise self._unavailable("accepted, but not visible in time")

    async def search(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> list[Hit]:
        chosen = _passing(route.tenant, where)
        return await self._query(collection, vector, chosen, limit, reach)

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
        points = models.HasIdCondition(has_id=[_point_id(route.tenant, each) for each in ids])
        chosen = models.Filter(must=[_is_of(route.tenant), points])
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
        place = _Place(collection, reach.dimensions if reach else collection.dimensions)
        async with self._answering():
            try:
                found = await self.client.query_points(
                    place.name,
                    **_question(place, vector, chosen, limit, reach),
                    limit=limit,
                    with_payload=[_ENTITY],
                )
            except UnexpectedResponse as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:  # nothing was written yet
                    return []
                raise
        return [_hit(point) for point in found.points]

    def within(
        self,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> None:
        return None

    async def purge(self, route: Route, collection: Collection, limit: int) -> int:
        held = (await self.layouts.now(route, collection)).held
        chosen = models.Filter(must=[_is_of(route.tenant)])
        removed = 0
        for length in sorted(set(collection.lengths) - held):
            removed += await self._remove(_Place(collection, length).name, chosen)
        return removed

    async def _remove(self, name: str, chosen: models.Filter) -> int:
        async with self._answering():
            try:
                found = await self.client.count(name, count_filter=chosen)
                if found.count:
                    await self.client.delete(name, chosen, wait=True)
            except UnexpectedResponse as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:
                    return 0
                raise
        return found.count

    async def _prepare(self, place: "_Place") -> None:
        """Makes a collection with its payload indexes, or what is missing of it."""
        name = place.name
        try:
            await self.client.create_collection(
                name, place.vectors(), replication_factor=self.replicas
            )
        except UnexpectedResponse as exc:
            if exc.status_code != HTTPStatus.CONFLICT:  # another process may be faster
                raise
        for key, schema in _INDEXES.items():
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


@dataclass(frozen=True, slots=True)
class _Place:
    """The server's collection for vectors that are searched by one length."""

    collection: Collection
    length: int

    @property
    def is_short(self) -> bool:
        return self.length < self.collection.dimensions

    @property
    def name(self) -> str:
        """Differs by embedding space, whose own name may hold anything."""
        space = hashlib.blake2b(self.collection.space.encode(), digest_size=8).hexdigest()
        whole = f"{self.collection.name}-{self.collection.dimensions}-{space}"
        return f"{whole}-by-{self.length}" if self.is_short else whole

    def vectors(self) -> models.VectorParams | dict[str, models.VectorParams]:
        """How they are kept."""
        # Vectors come normalised, so this is the cosine, and 0 for a vector without direction.
        searched = models.VectorParams(size=self.length, distance=models.Distance.DOT)
        if not self.is_short:
            return searched
        whole = models.VectorParams(
            size=self.collection.dimensions,
            distance=models.Distance.DOT,
            on_disk=True,
            hnsw_config=models.HnswConfigDiff(m=0),  # no graph
        )
        return {_SHORT: searched, _WHOLE: whole}

    def stored(self, vector: Vector) -> models.VectorStruct:
        """A vector as a point has it."""
        if not self.is_short:
            stored: list[float] = vector.tolist()
            return stored
        return {_SHORT: shortened(vector, self.length).tolist(), _WHOLE: vector.tolist()}


def _question(
    place: _Place, vector: Vector, chosen: models.Filter, limit: int, reach: Reach | None
) -> dict[str, Any]:
    """What is asked of the points that are chosen."""
    if not (place.is_short and reach):
        return {"query": vector.tolist(), "query_filter": chosen}
    short = {"query": shortened(vector, place.length).tolist(), "using": _SHORT}
    if not reach.rescored:
        return {**short, "query_filter": chosen}
    shortlist = models.Prefetch(**short, filter=chosen, limit=reach.candidates(limit))
    return {"prefetch": shortlist, "query": vector.tolist(), "using": _WHOLE}


def _operations(
    tenant: TenantId, points: Sequence[Point], place: _Place
) -> list[models.UpdateOperation]:
    kept = [
        _struct(tenant, point, place.stored(point.vector))
        for point in points
        if point.vector is not None
    ]
    gone = [_point_id(tenant, point.id) for point in points if point.vector is None]
    operations: list[models.UpdateOperation] = []
    if kept:
        operations.append(models.UpsertOperation(upsert=models.PointsList(points=kept)))
    if gone:
        chosen = models.Filter(must=[_is_of(tenant), models.HasIdCondition(has_id=gone)])
        operations.append(models.DeleteOperation(delete=models.FilterSelector(filter=chosen)))
    return operations


def _struct(tenant: TenantId, point: Point, vector: models.VectorStruct) -> models.PointStruct:
    payload = {_TENANT: tenant, _ENTITY: str(point.id), _IDS: dict(point.payload)}
    return models.PointStruct(id=_point_id(tenant, point.id), vector=vector, payload=payload)


def _point_id(tenant: TenantId, entity: UUID) -> str:
    """Tenants may have entities of the same id: these are different points."""
    return str(uuid5(entity, tenant))


def _passing(tenant: TenantId, where: Filter) -> models.Filter:
    return models.Filter(must=[_is_of(tenant), *(_holds(*each) for each in where.items())])


def _is_of(tenant: TenantId) -> models.FieldCondition:
    return models.FieldCondition(key=_TENANT, match=models.MatchValue(value=tenant))


def _holds(key: str, accepted: Sequence[str]) -> models.FieldCondition | models.Filter:
    path = f"{_IDS}.{key}"
    holds = models.FieldCondition(key=path, match=models.MatchAny(any=list(accepted)))
    if "" not in accepted:
        return holds
    lacks = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
    return models.Filter(should=[holds, lacks])


def _hit(point: models.ScoredPoint) -> Hit:
    assert point.payload, "asked for, and never written without"
    return Hit(UUID(point.payload[_ENTITY]), point.score)
