"""Relations between items in PostgreSQL."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from libs.changes import Command, Step
from libs.spine import Write, read
from libs.spine.entities import Entities, Reference, Rules
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.knowledge.domain.relations import (
    Body,
    Known,
    Relation,
    RelationKind,
    decide,
    targets,
)
from services.knowledge.errors import RelationNotFound
from services.knowledge.store.rows import ITEMS, item_from

_COLUMNS = "id, source, target, kind, number, created_at"
# Relations by their ids, or between two of the items.
_RELATIONS = f"""
    SELECT {_COLUMNS} FROM aeterna.knowledge_relation WHERE tenant_id = $1
    AND (id = ANY($2::uuid[]) OR source = ANY($2::uuid[]) AND target = ANY($2::uuid[]))
"""
# Items without their texts: what a relation depends on is their status.
_ENDS = f"""
    SELECT {", ".join(name for name in ITEMS.columns if name not in ("title", "content"))},
        ''::bytea AS title, ''::bytea AS content
    FROM aeterna.knowledge_item WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""
_INSERT = f"""
    INSERT INTO aeterna.knowledge_relation (tenant_id, {_COLUMNS})
    SELECT $1, r.* FROM unnest(
        $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[]) AS r
"""
_DELETE = "DELETE FROM aeterna.knowledge_relation WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
_GET = f"""
    SELECT {_COLUMNS} FROM aeterna.knowledge_relation
    WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.knowledge_relation
    WHERE tenant_id = $1 AND (source = $2 OR target = $2) AND ($3::uuid IS NULL OR id < $3)
    ORDER BY id DESC LIMIT $4
"""


class RelationTable:
    """The rows behind `Entities`. What it loads includes items; it stores relations only."""

    collection = "relations"

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Known]:
        rows = await write.conn.fetch(_RELATIONS, write.route.tenant, ids)
        relations = {row["id"]: _from_row(row) for row in rows}
        ends = [end for each in relations.values() for end in (each.source, each.target)]
        rows = await write.conn.fetch(_ENDS, write.route.tenant, [*ids, *ends])
        return {**relations, **{row["id"]: item_from(row) for row in rows}}

    async def save(self, write: Write, steps: Sequence[Step[Known]]) -> None:
        removed = {step.entity.id for step in steps if step.after is None}
        made = [
            each
            for step in steps
            if isinstance(each := step.after, Relation) and each.id not in removed
        ]
        if removed:  # first: what is made may take the place of what goes
            write.add(_DELETE, list(removed))
            await write.flush()
        if made:
            columns = zip(*map(_to_row, made), strict=True)
            write.add(_INSERT, *map(list, columns))

    async def answered(self, route: Route, references: Sequence[Reference]) -> Sequence[Relation]:
        ids = [relation for relation, _ in references]
        rows = await read(route, _GET, ids)
        found = {row["id"]: _from_row(row) for row in rows}
        for each in ids:
            if each not in found:
                raise RelationNotFound(each)
        return [found[each] for each in ids]


class PostgresRelations:
    """`Relations` in PostgreSQL."""

    def __init__(self, wakeups: Wakeups) -> None:
        rules = Rules[Known, Body](decide, targets)
        self._entities = Entities[Known, Body](RelationTable(), rules, wakeups)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Relation]:
        written = await self._entities.submit(route, command)
        return [each for each in written if isinstance(each, Relation)]

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Relation]:
        return [_from_row(row) for row in await read(route, _GET, list(ids))]

    async def page(
        self, route: Route, item: UUID, before: UUID | None, limit: int
    ) -> list[Relation]:
        rows = await read(route, _PAGE, item, before, limit)
        return [_from_row(row) for row in rows]


def _from_row(row: asyncpg.Record) -> Relation:
    return Relation(
        id=row["id"],
        source=row["source"],
        target=row["target"],
        kind=RelationKind(row["kind"]),
        number=row["number"],
        created_at=row["created_at"],
    )


def _to_row(relation: Relation) -> tuple[object, ...]:
    return (
        relation.id,
        relation.source,
        relation.target,
        relation.kind.value,
        relation.number,
        relation.created_at,
    )
