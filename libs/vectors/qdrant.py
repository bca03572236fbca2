"""The vector index in a Qdrant server, over REST: one collection for vectors that compare.

Tenants share a collection; a point's id is made of tenant and entity, and every request names the
tenant. Knows nothing of what the ids in a payload mean.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from json import JSONDecodeError
from uuid import UUID, uuid5

import structlog
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from libs.changes import Vector
from libs.scope import SCOPE_IDS
from libs.spine import Write, writing
from libs.tenancy import Route, TenantId
from libs.vectors import Collection, Filter, Hit, IndexUnavailable, Point, Then
from libs.vectors.filters import After, Until

log = structlog.get_logger(__name__)

# A point's payload: tenant and entity, and apart from them, so that no key can pass for these, the
# ids and times to filter by.
_TENANT, _ENTITY, _IDS = "tenant", "entity", "ids"
_INDEXES = {
    _TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    **{
        f"{_IDS}.{key}": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
        for key in ("layer", *SCOPE_IDS)
    },
    **{
        f"{_IDS}.{key}": models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME)
        for key in ("valid_from", "valid_until")
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
    _ready: set[str] = field(default_factory=set)

    async def apply(
        self,
        route: Route,
        collection: Collection,
        points: Sequence[Point],
        then: Then | None = None,
    ) -> None:
        if operations := _operations(route.tenant, points):
            await self._update(collection, operations)
        if then:
            async with writing(route, durable=False) as write:
                await then(write)

    def join(self, write: Write, collection: Collection, points: Sequence[Point]) -> bool:
        return False

    async def _update(
        self, collection: Collection, operations: list[models.UpdateOperation]
    ) -> None:
        name = _name(collection)
        async with self._answering():
            if name not in self._ready:
                await self._prepare(name, collection.dimensions)
            # Through one leader, or replicas might keep different outcomes of simultaneous writes.
            results = await self.client.batch_update_points(
                name, operations, wait=True, ordering=models.WriteOrdering.STRONG
            )
        if any(result.status != models.UpdateStatus.COMPLETED for result in results):
            raise self._unavailable("accepted, but not visible in time")

    async def search(
        self, route: Route, collection: Collection, vector: Vector, where: Filter, limit: int
    ) -> list[Hit]:
        return await self._query(collection, vector, _passing(route.tenant, where), limit)

    async def scores(
        self, route: Route, collection: Collection, vector: Vector, ids: Sequence[UUID]
    ) -> list[Hit]:
        if not ids:
            return []
        points = models.HasIdCondition(has_id=[_point_id(route.tenant, each) for each in ids])
        chosen = models.Filter(must=[_is_of(route.tenant), points])
        return await self._query(collection, vector, chosen, len(ids))

    async def _query(
        self, collection: Collection, vector: Vector, chosen: models.Filter, limit: int
    ) -> list[Hit]:
        async with self._answering():
            try:
                found = await self.client.query_points(
                    _name(collection),
                    query=vector.tolist(),
                    query_filter=chosen,
                    limit=limit,
                    with_payload=[_ENTITY],
                )
            except UnexpectedResponse as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:  # nothing was written yet
                    return []
                raise
        return [_hit(point) for point in found.points]

    def within(self, collection: Collection, vector: Vector, where: Filter, limit: int) -> None:
        return None

    async def _prepare(self, name: str, dimensions: int) -> None:
        """Makes a collection with its payload indexes, or what is missing of it."""
        # Vectors come normalised, so this is the cosine, and 0 for a vector without direction.
        vectors = models.VectorParams(size=dimensions, distance=models.Distance.DOT)
        try:
            await self.client.create_collection(name, vectors, replication_factor=self.replicas)
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


def _name(collection: Collection) -> str:
    """Differs by embedding space, whose own name may hold anything."""
    space = hashlib.blake2b(collection.space.encode(), digest_size=8).hexdigest()
    return f"{collection.name}-{collection.dimensions}-{space}"


def _operations(tenant: TenantId, points: Sequence[Point]) -> list[models.UpdateOperation]:
    kept = [_struct(tenant, point, point.vector) for point in points if point.vector is not None]
    gone = [_point_id(tenant, point.id) for point in points if point.vector is None]
    operations: list[models.UpdateOperation] = []
    if kept:
        operations.append(models.UpsertOperation(upsert=models.PointsList(points=kept)))
    if gone:
        chosen = models.Filter(must=[_is_of(tenant), models.HasIdCondition(has_id=gone)])
        operations.append(models.DeleteOperation(delete=models.FilterSelector(filter=chosen)))
    return operations


def _struct(tenant: TenantId, point: Point, vector: Vector) -> models.PointStruct:
    payload = {_TENANT: tenant, _ENTITY: str(point.id), _IDS: dict(point.payload)}
    return models.PointStruct(
        id=_point_id(tenant, point.id), vector=vector.tolist(), payload=payload
    )


def _point_id(tenant: TenantId, entity: UUID) -> str:
    """Tenants may have entities of the same id: these are different points."""
    return str(uuid5(entity, tenant))


def _passing(tenant: TenantId, where: Filter) -> models.Filter:
    return models.Filter(must=[_is_of(tenant), *(_holds(*each) for each in where.items())])


def _is_of(tenant: TenantId) -> models.FieldCondition:
    return models.FieldCondition(key=_TENANT, match=models.MatchValue(value=tenant))


def _holds(
    key: str, accepted: Sequence[str] | Until | After
) -> models.FieldCondition | models.Filter:
    path = f"{_IDS}.{key}"
    match accepted:
        case Until(at):
            holds = models.FieldCondition(key=path, range=models.DatetimeRange(lte=at))
        case After(at):
            holds = models.FieldCondition(key=path, range=models.DatetimeRange(gt=at))
        case _:
            holds = models.FieldCondition(key=path, match=models.MatchAny(any=list(accepted)))
            if "" not in accepted:
                return holds
    lacks = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
    return models.Filter(should=[holds, lacks])


def _hit(point: models.ScoredPoint) -> Hit:
    assert point.payload, "asked for, and never written without"
    return Hit(UUID(point.payload[_ENTITY]), point.score)
