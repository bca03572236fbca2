"""The lexical index in the shard's PostgreSQL: part of every write, searched by BM25.

Document frequencies are counted from the postings that a search reads anyway, the number and the
length of documents change with each write: no weight is ever stale.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.lexical import Document
from libs.lexical.statistics import BY_LENGTH, SATURATION, Statistics
from libs.spine import Write, read
from libs.tenancy import Route
from libs.vectors import Filter
from libs.vectors.conditions import conditions

_COUNT = """
    INSERT INTO aeterna.lexicon AS l (tenant_id, collection, documents, length)
    SELECT $1, $2, count(n.length) - count(d.entity_id),
        coalesce(sum(n.length), 0) - coalesce(sum(d.length), 0)
    FROM unnest($3::uuid[], $4::int[]) AS n (id, length)
    LEFT JOIN aeterna.document AS d
        ON d.tenant_id = $1 AND d.collection = $2 AND d.entity_id = n.id
    ON CONFLICT (tenant_id, collection) DO UPDATE
    SET documents = l.documents + excluded.documents, length = l.length + excluded.length
"""
# One posting after the other, by its key, behind fences of OFFSET: where it knows little of a table
# the planner would hold every posting of the tenant against every document.
_DROP = """
    DELETE FROM aeterna.posting WHERE ctid = ANY(ARRAY(
        SELECT found.place
        FROM (
            SELECT d.entity_id, old.term
            FROM aeterna.document AS d, unnest(d.terms) AS old (term)
            WHERE d.tenant_id = $1 AND d.collection = $2 AND d.entity_id = ANY($3::uuid[])
              AND (d.entity_id, old.term) NOT IN (SELECT * FROM unnest($4::uuid[], $5::bigint[]))
            OFFSET 0
        ) AS gone, LATERAL (
            SELECT p.ctid AS place FROM aeterna.posting AS p
            WHERE p.tenant_id = $1 AND p.collection = $2 AND p.term = gone.term
              AND p.entity_id = gone.entity_id OFFSET 0
        ) AS found
    ))
"""
_PUT = """
    INSERT INTO aeterna.posting (tenant_id, collection, entity_id, term, frequency, length)
    SELECT $1, $2, p.* FROM unnest($3::uuid[], $4::bigint[], $5::int[], $6::int[]) AS p
    ON CONFLICT (tenant_id, collection, term, entity_id) DO UPDATE
    SET frequency = excluded.frequency, length = excluded.length
"""
_ENTER = """
    INSERT INTO aeterna.document (tenant_id, collection, entity_id, length, payload, terms)
    SELECT $1, $2, d.id, d.length, d.payload, coalesce(t.terms, '{}')
    FROM unnest($3::uuid[], $4::int[], $5::jsonb[]) AS d (id, length, payload)
    LEFT JOIN (
        SELECT id, array_agg(term) AS terms
        FROM unnest($6::uuid[], $7::bigint[]) AS p (id, term) GROUP BY id
    ) AS t USING (id)
    ON CONFLICT (tenant_id, collection, entity_id) DO UPDATE
    SET length = excluded.length, payload = excluded.payload, terms = excluded.terms
"""
_MOVE = """
    UPDATE aeterna.document AS d SET payload = m.payload
    FROM unnest($3::uuid[], $4::jsonb[]) AS m (id, payload)
    WHERE d.tenant_id = $1 AND d.collection = $2 AND d.entity_id = m.id
"""
_LEAVE = """
    DELETE FROM aeterna.document
    WHERE tenant_id = $1 AND collection = $2 AND entity_id = ANY($3::uuid[])
"""
_SEARCH = f"""
    WITH found AS (
        SELECT asked.term, p.entity_id, p.frequency::float8 AS frequency,
            p.length::float8 AS length,
            count(*) OVER (PARTITION BY asked.term)::float8 AS documents
        FROM unnest($3::bigint[]) AS asked (term), LATERAL (
            SELECT entity_id, frequency, length FROM aeterna.posting
            WHERE tenant_id = $1 AND collection = $2 AND term = asked.term
            ORDER BY entity_id DESC LIMIT $4
        ) AS p
    ), lexicon AS (
        SELECT documents::float8, length / nullif(documents, 0)::float8 AS mean FROM aeterna.lexicon
        WHERE tenant_id = $1 AND collection = $2
    ), scored AS (
        SELECT f.entity_id AS id, sum(
            ln(1 + (l.documents - f.documents + 0.5) / (f.documents + 0.5))
            * f.frequency * {1 + SATURATION}
            / (f.frequency + {SATURATION} * ({1 - BY_LENGTH} + {BY_LENGTH} * f.length / l.mean))
        ) AS score
        FROM found AS f, lexicon AS l GROUP BY f.entity_id
    )
    (
        SELECT NULL::uuid AS id, NULL::float8 AS score, l.documents, l.mean,
            (SELECT jsonb_object_agg(f.term, f.documents) FROM (
                SELECT DISTINCT term, documents FROM found
            ) AS f) AS holding
        FROM lexicon AS l
    ) UNION ALL (
        SELECT s.id, s.score, NULL, NULL, NULL
        FROM (SELECT * FROM scored ORDER BY score DESC, id DESC) AS s{{filter}}
        ORDER BY s.score DESC, s.id DESC LIMIT $5
    )
"""
# Behind the fence of OFFSET it is asked for one entity after the other, the best first, until there
# are enough: the planner knows too little of a tenant to choose.
_FILTER = """, LATERAL (
    SELECT FROM aeterna.document AS d
    WHERE d.tenant_id = $1 AND d.collection = $2 AND d.entity_id = s.id{conditions} OFFSET 0
) AS passing"""


class Match(NamedTuple):
    """An entity that holds some of the terms, with its BM25 score, above 0."""

    id: UUID
    score: float


class Matches(NamedTuple):
    """The entities that match best, best first, and what their scores were measured against."""

    best: Sequence[Match]
    statistics: Statistics


_NOTHING = Matches([], Statistics(0, 0.0, {}))


@dataclass(frozen=True)
class Postings:
    """The lexical index of one collection.

    `most`: Postings of one term that a search reads, newest first; a term that more entities hold
    says little.
    """

    collection: str
    most: int = 20_000

    def join(self, write: Write, documents: Sequence[Document], gone: Sequence[UUID]) -> None:
        """Puts, moves and removes entries as part of a write; each entity is in it once."""
        entered = [each for each in documents if each.terms is not None]
        moved = [each for each in documents if each.terms is None]
        if entered or gone:
            self._replace(write, entered, gone)
        if moved:
            ids, payloads = [each.id for each in moved], [_json(each) for each in moved]
            write.add(_MOVE, self.collection, ids, payloads)

    def _replace(self, write: Write, entered: Sequence[Document], gone: Sequence[UUID]) -> None:
        ids, lengths = [each.id for each in entered], [_length(each) for each in entered]
        none: list[int | None] = [None] * len(gone)
        owners, terms, frequencies, beside = _columns(entered)
        write.add(_COUNT, self.collection, [*ids, *gone], [*lengths, *none])
        if known := [*(each.id for each in entered if not each.new), *gone]:
            write.add(_DROP, self.collection, known, owners, terms)
        if terms:
            write.add(_PUT, self.collection, owners, terms, frequencies, beside)
        if ids:
            payloads = [_json(each) for each in entered]
            write.add(_ENTER, self.collection, ids, lengths, payloads, owners, terms)
        if gone:
            write.add(_LEAVE, self.collection, list(gone))

    async def search(
        self, route: Route, terms: Sequence[int], where: Filter, limit: int
    ) -> Matches:
        """The entities of the tenant that match best and pass the filter, at most `limit`.

        Raises:
            StoreUnavailable: The shard cannot be reached.
        """
        if not terms:
            return _NOTHING
        sql, values = conditions(where, 6, "d.payload", "d.entity_id")
        joined = _FILTER.format(conditions=sql) if where else ""
        statement = _SEARCH.format(filter=joined)
        rows = await read(route, statement, self.collection, list(terms), self.most, limit, *values)
        if not rows:
            return _NOTHING
        best = [Match(row["id"], row["score"]) for row in rows if row["id"]]
        return Matches(best, _statistics(next(row for row in rows if not row["id"])))


def _statistics(row: asyncpg.Record) -> Statistics:
    holding = json.loads(row["holding"] or "{}")
    return Statistics(
        int(row["documents"]),
        row["mean"] or 0.0,
        {int(term): int(documents) for term, documents in holding.items()},
    )


def _columns(
    documents: Sequence[Document],
) -> tuple[list[UUID], list[int], list[int], list[int]]:
    """Of the postings: entity, term, frequency, length of the document."""
    rows = list(_postings(documents))
    if not rows:
        return [], [], [], []
    owners, terms, frequencies, lengths = zip(*rows, strict=True)
    return list(owners), list(terms), list(frequencies), list(lengths)


def _postings(documents: Sequence[Document]) -> Iterator[tuple[UUID, int, int, int]]:
    for document in documents:
        length = _length(document)
        for term, frequency in _terms(document).items():
            yield document.id, term, frequency, length


def _length(document: Document) -> int:
    return sum(_terms(document).values())


def _terms(document: Document) -> Mapping[int, int]:
    return document.terms or {}


def _json(document: Document) -> str:
    return json.dumps(dict(document.payload))
