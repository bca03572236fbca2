"""How vectors and filters look in a Qdrant server. Pure.

Whole vectors are searched in one collection of the server; each shorter length has a collection of
its own that keeps the whole vector beside the prefix, on disk and without a graph.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from qdrant_client import models

from libs.changes import Vector
from libs.embedding.rules import shortened
from libs.scope import SCOPE_IDS
from libs.tenancy import TenantId
from libs.vectors import Collection, Filter, Hit, Point, Reach
from libs.vectors.filters import After, Rows, Until

# A point's payload: tenant and entity, and apart from them, so that no key can pass for these, the
# ids and times to filter by.
_TENANT, ENTITY, _IDS = "tenant", "entity", "ids"
_SHORT, _WHOLE = "short", "whole"  # vectors of a point in a collection of prefixes
INDEXES: Mapping[str, models.KeywordIndexParams | models.DatetimeIndexParams] = {
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


@dataclass(frozen=True, slots=True)
class Place:
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

    def whole(self, stored: Any) -> Vector:
        """The whole vector of a point."""
        return np.array(stored[_WHOLE] if self.is_short else stored, np.float32)


def question(
    place: Place, vector: Vector, chosen: models.Filter, limit: int, reach: Reach | None
) -> dict[str, Any]:
    """What is asked of the points that are chosen."""
    if not (place.is_short and reach):
        return {"query": vector.tolist(), "query_filter": chosen}
    short = {"query": shortened(vector, place.length).tolist(), "using": _SHORT}
    if not reach.rescored:
        return {**short, "query_filter": chosen}
    shortlist = models.Prefetch(**short, filter=chosen, limit=reach.candidates(limit))
    return {"prefetch": shortlist, "query": vector.tolist(), "using": _WHOLE}


def operations(
    tenant: TenantId, points: Sequence[Point], place: Place
) -> list[models.UpdateOperation]:
    kept = [
        _struct(tenant, point, place.stored(point.vector))
        for point in points
        if point.vector is not None
    ]
    gone = [point_id(tenant, point.id) for point in points if point.vector is None]
    operations: list[models.UpdateOperation] = []
    if kept:
        operations.append(models.UpsertOperation(upsert=models.PointsList(points=kept)))
    if gone:
        chosen = models.Filter(must=[is_of(tenant), models.HasIdCondition(has_id=gone)])
        operations.append(models.DeleteOperation(delete=models.FilterSelector(filter=chosen)))
    return operations


def _struct(tenant: TenantId, point: Point, vector: models.VectorStruct) -> models.PointStruct:
    payload = {_TENANT: tenant, ENTITY: str(point.id), _IDS: dict(point.payload)}
    return models.PointStruct(id=point_id(tenant, point.id), vector=vector, payload=payload)


def point_id(tenant: TenantId, entity: UUID) -> str:
    """Tenants may have entities of the same id: these are different points."""
    return str(uuid5(entity, tenant))


def passing(tenant: TenantId, where: Filter) -> models.Filter:
    """What points hold of a filter, all of it but for Rows."""
    held = [_holds(key, each) for key, each in where.items() if not isinstance(each, Rows)]
    return models.Filter(must=[is_of(tenant), *held])


def among(chosen: models.Filter, tenant: TenantId, ids: Iterable[UUID]) -> models.Filter:
    """The points that are chosen, if they are those of `ids`."""
    points = models.HasIdCondition(has_id=[point_id(tenant, each) for each in ids])
    must = chosen.must if isinstance(chosen.must, list) else []
    return models.Filter(must=[*must, points])


def is_of(tenant: TenantId) -> models.FieldCondition:
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


def hit(point: models.ScoredPoint) -> Hit:
    return Hit(entity_of(point), point.score)


def entity_of(point: models.ScoredPoint | models.Record) -> UUID:
    assert point.payload, "asked for, and never written without"
    return UUID(point.payload[ENTITY])
