"""The vector index in the shard's own PostgreSQL: embedded default and small installs."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from libs.changes import Vector
from libs.embedding.rules import shortened
from libs.spine import Write, read, writing
from libs.tenancy import Route
from libs.vectors import LENGTHS, Collection, Filter, Hit, Owed, Point, Reach, Then, Within
from libs.vectors.conditions import conditions

# A tenant without a layout holds whole vectors alone.
_LAYOUT = """(
    SELECT {condition} FROM aeterna.vector_layout
    WHERE tenant_id = $1 AND collection = $2 AND space = $3
)"""
_SEARCHED = "{length} IN (searched, coalesce(other, searched))"
_SHORTENED = "{whole} > least(searched, coalesce(other, searched))"
_PUT = """
    INSERT INTO aeterna.vector_{length}
        (tenant_id, collection, entity_id, space, payload, embedding)
    SELECT $1, $2, p.id, $3, p.payload, {embedding}
    FROM unnest($4::uuid[], $5::jsonb[], $6::halfvec[]) AS p (id, payload, embedding)
    WHERE coalesce({layout}, {default})
    ON CONFLICT (tenant_id, collection, entity_id) DO UPDATE
    SET space = excluded.space, payload = excluded.payload, embedding = excluded.embedding
"""
_PUT_WHOLE = """
    INSERT INTO aeterna.vector_whole (tenant_id, collection, entity_id, space, embedding)
    SELECT $1, $2, p.id, $3, p.embedding
    FROM unnest($4::uuid[], $5::halfvec[]) AS p (id, embedding)
    WHERE coalesce({layout}, false)
    ON CONFLICT (tenant_id, collection, entity_id) DO UPDATE
    SET space = excluded.space, embedding = excluded.embedding
"""
_PREFIX = "l2_normalize(subvector(p.embedding, 1, {length}))"
_REMOVE = """
    DELETE FROM aeterna.vector_{table}
    WHERE tenant_id = $1 AND collection = $2 AND entity_id = ANY($3::uuid[])
"""
_PURGE = """
    DELETE FROM aeterna.vector_{table} WHERE tenant_id = $1 AND collection = $2 AND space = $3
        AND NOT coalesce({layout}, {default}) AND entity_id IN (
            SELECT entity_id FROM aeterna.vector_{table}
            WHERE tenant_id = $1 AND collection = $2 AND space = $3 LIMIT $4
        )
"""
_SEARCH = """
    SELECT entity_id AS id, -(embedding <#> $4::halfvec) AS score
    FROM aeterna.vector_{length}
    WHERE tenant_id = $1 AND collection = $2 AND space = $3{where}
    ORDER BY (embedding <#> $4::halfvec){exactly}
    LIMIT {limit}
"""
_BEST = "SELECT id, score FROM ({search}) AS w ORDER BY score DESC LIMIT {limit}"
_RESCORED = """
    SELECT w.entity_id AS id, -(w.embedding <#> $5::halfvec) AS score
    FROM ({search}) AS s JOIN aeterna.vector_whole AS w
        ON w.tenant_id = $1 AND w.collection = $2 AND w.space = $3 AND w.entity_id = s.id
    ORDER BY score DESC
    LIMIT {limit}
"""
_SCORES = """
    SELECT entity_id AS id, -(embedding <#> $4::halfvec) AS score
    FROM aeterna.vector_{table}
    WHERE tenant_id = $1 AND collection = $2 AND space = $3 AND entity_id = ANY($5::uuid[])
"""
_VECTORS = """
    SELECT entity_id AS id, embedding FROM aeterna.vector_{table}
    WHERE tenant_id = $1 AND collection = $2 AND space = $3 AND entity_id = ANY($4::uuid[])
"""
_WHOLE = "whole"  # the table of vectors that are searched by a prefix
_EVERY = (*map(str, LENGTHS), _WHOLE)
_EXACTLY = " + 0"  # no index has this order
# Which is faster the planner does not know: it thinks of a walk as a fiftieth of what it costs. To
# find some of a tenant's points a walk passes so many of all others as there are for each of them,
# and each takes as long as comparing fourteen. Counting stops where walking is right in any case.
_FEW = """
    least(40000, sqrt(14.0 * {walked} * (
        SELECT greatest(reltuples, 0) FROM pg_class
        WHERE oid = 'aeterna.vector_{length}'::regclass
    )))::bigint
"""
_FASTER = f"""
    WITH size AS MATERIALIZED (
        SELECT count(*) < {_FEW} AS is_small FROM (
            SELECT FROM aeterna.vector_{{length}}
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

    effort: int = 100  # candidates kept while walking the graph of whole vectors (hnsw.ef_search)
    least: int = 40  # and at least, where candidates are found by a prefix: they are spare already
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
        for table in _EVERY if gone else ():  # another embedder may have left some behind
            write.add(_REMOVE.format(table=table), collection.name, gone)
        return True

    async def search(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> list[Hit]:
        rows = await self.within(collection, vector, where, limit, reach).fetch(route)
        return [Hit(row["id"], row["score"]) for row in rows]

    async def scores(
        self,
        route: Route,
        collection: Collection,
        vector: Vector,
        ids: Sequence[UUID],
        reach: Reach | None = None,
    ) -> list[Hit]:
        reach = _shorter(collection, reach)
        sql = _SCORES.format(table=_scored_by(collection, reach))
        compared = shortened(vector, reach.dimensions) if reach and not reach.rescored else vector
        target = (collection.name, collection.space, packed(compared))
        rows = await read(route, sql, *target, list(ids)) if ids else []
        return [Hit(row["id"], row["score"]) for row in rows]

    def within(
        self,
        collection: Collection,
        vector: Vector,
        where: Filter,
        limit: int,
        reach: Reach | None = None,
    ) -> Within:
        reach = _shorter(collection, reach)
        if not reach:
            return self._within(collection, [vector], where, limit, limit)
        vectors = [shortened(vector, reach.dimensions), vector][: 1 + reach.rescored]
        return self._within(collection, vectors, where, limit, reach.candidates(limit))

    def _within(
        self,
        collection: Collection,
        vectors: Sequence[Vector],
        where: Filter,
        limit: int,
        candidates: int,
    ) -> Within:
        """By the first vector, whose length says which graph; by the second, if there is one, the
        candidates are scored."""
        found_by, *scored_by = vectors
        whole = len(found_by) == collection.dimensions
        effort = max(candidates, self.effort if whole else min(self.least, self.effort))
        passing, values = conditions(where, 4 + len(vectors))

        def search(exactly: str, met: int) -> str:
            hits = _SEARCH.format(length=len(found_by), where=passing, exactly=exactly, limit=met)
            if met > candidates:
                hits = _BEST.format(search=hits, limit=candidates)
            return _RESCORED.format(search=hits, limit=limit) if scored_by else hits

        # A walk among the points of others finds as well as one without them if it meets as many
        # that pass. When it gives fewer there are no more, or it gave up before it met them.
        target = (collection.name, collection.space, *map(packed, vectors))
        walk, exact = search("", effort), search(_EXACTLY, candidates)
        faster = _FASTER.format(length=len(found_by), walked=effort, exact=exact, walk=walk)
        hits = (faster, exact)
        return Within(hits, (*target, *values), limit, self._settings(effort))

    async def vectors(
        self, route: Route, collection: Collection, ids: Sequence[UUID], length: int
    ) -> dict[UUID, Vector]:
        sql = _VECTORS.format(table=_scored_by(collection, _shorter(collection, Reach(length, 1))))
        rows = await read(route, sql, collection.name, collection.space, list(ids))
        return {row["id"]: unpacked(row["embedding"]) for row in rows}

    async def demand_whole(
        self, route: Route, collection: Collection, length: int, owed: Owed
    ) -> None:
        """It is as whole as the database that the rows are in."""

    async def purge(self, route: Route, collection: Collection, limit: int) -> int:
        removed = 0
        async with writing(route, durable=False) as write:
            for table, layout, default in _holdings(collection):
                sql = _PURGE.format(table=table, layout=layout, default=default)
                target = (route.tenant, collection.name, collection.space, limit)
                removed += int((await write.conn.execute(sql, *target)).split()[1])
        return removed

    def _settings(self, effort: int) -> dict[str, str]:
        """Rows are filtered after the graph is walked, so the walk goes on until enough are found
        (pgvector 0.8, iterative scans), nearly in order: in strict order it would leave out what it
        meets late."""
        return {
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.ef_search": str(effort),
            "hnsw.max_scan_tuples": str(self.walk),
        }


def _put(write: Write, collection: Collection, points: Sequence[Point]) -> None:
    """Into every table that the tenant's layout, as it is then, demands."""
    ids = [point.id for point in points]
    payloads = [json.dumps(dict(point.payload)) for point in points]
    vectors = [packed(point.vector) for point in points if point.vector is not None]
    target = (collection.name, collection.space, ids)
    for table, layout, default in _holdings(collection):
        if table == _WHOLE:
            write.add(_PUT_WHOLE.format(layout=layout), *target, vectors)
            continue
        embedding = "p.embedding" if table == str(collection.dimensions) else _PREFIX
        sql = _PUT.format(
            length=table,
            embedding=embedding.format(length=table),
            layout=layout,
            default=default,
        )
        write.add(sql, *target, payloads, vectors)


def _holdings(collection: Collection) -> list[tuple[str, str, str]]:
    """Tables that may hold vectors of a collection, the condition that the tenant's does, and its
    value for a tenant without a layout."""
    holdings = [
        (
            str(length),
            _LAYOUT.format(condition=_SEARCHED.format(length=length)),
            str(length == collection.dimensions).lower(),
        )
        for length in collection.lengths
    ]
    if collection.prefixes:
        layout = _LAYOUT.format(condition=_SHORTENED.format(whole=collection.dimensions))
        holdings.append((_WHOLE, layout, "false"))
    return holdings


def _shorter(collection: Collection, reach: Reach | None) -> Reach | None:
    """The reach, unless it is that of whole vectors."""
    return reach if reach and reach.dimensions < collection.dimensions else None


def _scored_by(collection: Collection, reach: Reach | None) -> str:
    if not reach:
        return str(collection.dimensions)
    return _WHOLE if reach.rescored else str(reach.dimensions)


def packed(vector: Vector) -> bytes:
    """A halfvec as pgvector receives it: length, zero, 16-bit floats, all big-endian."""
    return _HEADER.pack(len(vector), 0) + vector.astype(_HALF).tobytes()


def unpacked(stored: bytes) -> Vector:
    """The vector of a halfvec as pgvector sends it."""
    return np.frombuffer(stored, _HALF, offset=_HEADER.size).astype(np.float32)
