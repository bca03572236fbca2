"""The vector index in the shard's own PostgreSQL: embedded default and small installs."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from libs.changes import Vector
from libs.spine import Write, read, writing
from libs.tenancy import Route
from libs.vectors import Collection, Filter, Hit, Point, Then, Within
from libs.vectors.conditions import conditions

_PUT = """
    INSERT INTO aeterna.vector_{dimensions}
        (tenant_id, collection, entity_id, space, payload, embedding)
    SELECT $1, $2, p.id, $3, p.payload, p.embedding
    FROM unnest($4::uuid[], $5::jsonb[], $6::halfvec[]) AS p (id, payload, embedding)
    ON CONFLICT (tenant_id, collection, entity_id) DO UPDATE
    SET space = excluded.space, payload = excluded.payload, embedding = excluded.embedding
"""
_REMOVE = """
    DELETE FROM aeterna.vector_{dimensions}
    WHERE tenant_id = $1 AND collection = $2 AND entity_id = ANY($3::uuid[])
"""
_SEARCH = """
    SELECT entity_id AS id, -(embedding <#> $4::halfvec) AS score
    FROM aeterna.vector_{dimensions}
    WHERE tenant_id = $1 AND collection = $2 AND space = $3{where}
    ORDER BY (embedding <#> $4::halfvec){exactly}
    LIMIT {limit}
"""
_SCORES = """
    SELECT entity_id AS id, -(embedding <#> $4::halfvec) AS score
    FROM aeterna.vector_{dimensions}
    WHERE tenant_id = $1 AND collection = $2 AND space = $3 AND entity_id = ANY($5::uuid[])
"""
_EXACTLY = " + 0"  # no index has this order
# Which is faster the planner does not know: it thinks of a walk as a fiftieth of what it costs. To
# find some of a tenant's points a walk passes so many of all others as there are for each of them,
# and each takes as long as comparing fourteen. Counting stops where walking is right in any case.
_FEW = """
    least(10000, sqrt(14.0 * {limit} * (
        SELECT greatest(reltuples, 0) FROM pg_class
        WHERE oid = 'aeterna.vector_{dimensions}'::regclass
    )))::bigint
"""
_FASTER = f"""
    WITH size AS MATERIALIZED (
        SELECT count(*) < {_FEW} AS is_small FROM (
            SELECT FROM aeterna.vector_{{dimensions}}
            WHERE tenant_id = $1 AND collection = $2 LIMIT {_FEW}
        ) AS points
    )
    SELECT id, score FROM ({{exact}}) AS e WHERE (SELECT is_small FROM size)
    UNION ALL SELECT id, score FROM ({{walk}}) AS w WHERE NOT (SELECT is_small FROM size)
"""
_HEADER = struct.Struct(">HH")
_HALF = np.dtype(">f2")


@dataclass(frozen=True)
class PgVectorIndex:
    """`VectorIndex` over the table of the collection's dimension; 16-bit floats, inner product."""

    effort: int = 100  # hnsw.ef_search: candidates kept while walking the graph
    walk: int = 20_000  # hnsw.max_scan_tuples: rows after which a walk gives up

    async def apply(
        self,
        route: Route,
        collection: Collection,
        points: Sequence[Point],
        then: Then | None = None,
    ) -> None:
        async with writing(route, durable=False) as write:
            self.join(write, collection, points)
            if then:
                await then(write)

    def join(self, write: Write, collection: Collection, points: Sequence[Point]) -> bool:
        kept = [point for point in points if point.vector is not None]
        gone = [point.id for point in points if point.vector is None]
        if kept:
            _put(write, collection, kept)
        if gone:
            write.add(_REMOVE.format(dimensions=collection.dimensions), collection.name, gone)
        return True

    async def search(
        self, route: Route, collection: Collection, vector: Vector, where: Filter, limit: int
    ) -> list[Hit]:
        rows = await self.within(collection, vector, where, limit).fetch(route)
        return [Hit(row["id"], row["score"]) for row in rows]

    async def scores(
        self, route: Route, collection: Collection, vector: Vector, ids: Sequence[UUID]
    ) -> list[Hit]:
        sql = _SCORES.format(dimensions=collection.dimensions)
        target = (collection.name, collection.space, packed(vector))
        rows = await read(route, sql, *target, list(ids)) if ids else []
        return [Hit(row["id"], row["score"]) for row in rows]

    def within(self, collection: Collection, vector: Vector, where: Filter, limit: int) -> Within:
        passing, values = conditions(where, 5)

        def search(exactly: str) -> str:
            return _SEARCH.format(
                dimensions=collection.dimensions, where=passing, exactly=exactly, limit=limit
            )

        # When the walk gives fewer there are no more, or it gave up before it met them.
        target = (collection.name, collection.space, packed(vector))
        exact = search(_EXACTLY)
        faster = _FASTER.format(
            dimensions=collection.dimensions, limit=limit, exact=exact, walk=search("")
        )
        hits = (faster, exact)
        return Within(hits, (*target, *values), limit, self._settings(limit))

    def _settings(self, limit: int) -> dict[str, str]:
        """Rows are filtered after the graph is walked, so the walk goes on until enough are found
        (pgvector 0.8, iterative scans)."""
        return {
            "hnsw.iterative_scan": "strict_order",
            "hnsw.ef_search": str(max(self.effort, limit)),
            "hnsw.max_scan_tuples": str(self.walk),
        }


def _put(write: Write, collection: Collection, points: Sequence[Point]) -> None:
    write.add(
        _PUT.format(dimensions=collection.dimensions),
        collection.name,
        collection.space,
        [point.id for point in points],
        [json.dumps(dict(point.payload)) for point in points],
        [packed(point.vector) for point in points if point.vector is not None],
    )


def packed(vector: Vector) -> bytes:
    """A halfvec as pgvector receives it: length, zero, 16-bit floats, all big-endian."""
    return _HEADER.pack(len(vector), 0) + vector.astype(_HALF).tobytes()
