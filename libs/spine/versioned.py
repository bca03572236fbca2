"""Entities of one kind in two tables: their current rows, and the versions that were replaced.

A service says which columns there are; reading, replacing and keeping are the same for all. Knows
nothing of what the columns mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple
from uuid import UUID

import asyncpg

from libs.aip.filtering import Condition, to_sql
from libs.changes import E, Step
from libs.errors import AppError
from libs.spine import Write, read
from libs.spine.entities import Reference
from libs.tenancy import Route


@dataclass(frozen=True, slots=True)
class Shape(Generic[E]):
    """How entities of one kind are stored.

    Attributes:
        collection: First part of their names: `memories`.
        table: Holds the current rows; its key is (tenant_id, id).
        versions: Holds what was replaced; the same columns, its key is (tenant_id, id, version).
        columns: What both have beside tenant_id, with SQL types; id, version, number among them.
        from_row: Makes an entity of a row that has these columns, in any order.
        to_row: The values of an entity, in the order of `columns`.
        missing: The error for an id that is not there.
    """

    collection: str
    table: str
    versions: str
    columns: Mapping[str, str]
    from_row: Callable[[asyncpg.Record], E]
    to_row: Callable[[E], tuple[object, ...]]
    missing: Callable[[UUID], AppError]


class VersionedTable(Generic[E]):
    """The SQL of a shape: a `libs.spine.entities.Table`, and the reads that services offer."""

    def __init__(self, shape: Shape[E]) -> None:
        self._shape, self._sql = shape, _statements(shape.table, shape.versions, shape.columns)

    @property
    def collection(self) -> str:
        return self._shape.collection

    @property
    def scored_sql(self) -> str:
        """SQL around `{hits}` (id, score) of the tenant $1: their rows with `score`, best first."""
        return self._sql.scored

    def entity(self, row: asyncpg.Record) -> E:
        """The entity of a row that has its columns."""
        return self._shape.from_row(row)

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, E]:
        rows = await write.conn.fetch(self._sql.get, write.route.tenant, ids)
        return {row["id"]: self._shape.from_row(row) for row in rows}

    async def save(self, write: Write, steps: Sequence[Step[E]]) -> None:
        last = {step.entity.id: step for step in steps}
        gone = [entity for entity, step in last.items() if step.after is None]
        first = {step.entity.id: step.entity.version for step in steps if step.forgets}
        forgotten = [entity for entity in first if entity not in gone]
        kept = [
            step.before
            for step in steps
            if step.before
            and step.entity.id not in gone
            and step.before.version >= first.get(step.entity.id, 0)
        ]
        for removal in self._sql.removals if gone else ():
            write.add(removal, gone)
        if forgotten:
            write.add(self._sql.removals[1], forgotten)
        if kept:
            write.add(self._sql.keep, *self._arrays(kept))
        if present := [step.after for step in last.values() if step.after]:
            write.add(self._sql.put, *self._arrays(present))

    async def answered(self, route: Route, references: Sequence[Reference]) -> Sequence[E]:
        ids = [entity for entity, _ in references]
        versions = [version for _, version in references]
        rows = await read(route, self._sql.answered, ids, versions)
        found = {row["place"]: self._shape.from_row(row) for row in rows}
        for place, entity in enumerate(ids, start=1):
            if place not in found:
                raise self._shape.missing(entity)
        return [found[place] for place in sorted(found)]

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[E]:
        """Those that exist, in the order of `ids`."""
        if not ids:
            return []
        rows = await read(route, self._sql.get, ids)
        found = {row["id"]: self._shape.from_row(row) for row in rows}
        return [found[each] for each in ids if each in found]

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> list[E]:
        """Newest first, those older than `before`, at most `limit`."""
        conditions, values = to_sql(where, 4)
        sql = self._sql.page.format(where=conditions)
        rows = await read(route, sql, before, limit, *values)
        return [self._shape.from_row(row) for row in rows]

    async def places(
        self, route: Route, columns: Sequence[str], most: int
    ) -> list[tuple[str, ...]]:
        """What the rows hold in these columns (SQL from our own code), each once, at most `most`
        and one more."""
        sql = self._sql.places.format(columns=", ".join(columns))
        return [tuple(row.values()) for row in await read(route, sql, most + 1)]

    async def versions(self, route: Route, entity: UUID, numbers: Sequence[int]) -> list[E]:
        """The versions that these changes made, as far as they are kept, oldest first."""
        rows = await read(route, self._sql.history, entity, numbers)
        return [self._shape.from_row(row) for row in rows]

    def _arrays(self, entities: Sequence[E]) -> list[list[object]]:
        """One list for each column, for unnest()."""
        rows = [self._shape.to_row(each) for each in entities]
        return [list(column) for column in zip(*rows, strict=True)]


class _Statements(NamedTuple):
    get: str
    scored: str
    page: str
    history: str
    places: str
    answered: str
    put: str
    keep: str
    removals: tuple[str, str]


def _statements(table: str, versions: str, columns: Mapping[str, str]) -> _Statements:
    """The SQL of a shape, whose names come from our own code, never from a request."""
    names = ", ".join(columns)
    own = ", ".join(f"r.{name}" for name in columns)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(columns.values(), 2))
    given = f"(tenant_id, {names}) SELECT $1, r.* FROM unnest({arrays}) AS r"
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    both = f"(SELECT * FROM {table} UNION ALL SELECT * FROM {versions}) AS r"
    removal = "DELETE FROM {} WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
    return _Statements(
        get=f"SELECT {names} FROM {table} WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        scored=f"""SELECT {own}, h.score FROM ({{hits}}) AS h
            JOIN {table} AS r ON r.tenant_id = $1 AND r.id = h.id ORDER BY h.score DESC""",
        page=f"""SELECT {names} FROM {table}
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}}
            ORDER BY id DESC LIMIT $3""",
        history=f"""SELECT {names} FROM {both}
            WHERE tenant_id = $1 AND id = $2 AND number = ANY($3::bigint[]) ORDER BY number""",
        places=f"SELECT DISTINCT {{columns}} FROM {table} WHERE tenant_id = $1 LIMIT $2",
        answered=f"""SELECT w.place, r.* FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY
            AS w (id, version, place) CROSS JOIN LATERAL (
                SELECT * FROM {both}
                WHERE r.tenant_id = $1 AND r.id = w.id AND r.version >= w.version
                ORDER BY r.version LIMIT 1
            ) AS r""",
        put=f"INSERT INTO {table} {given} ON CONFLICT (tenant_id, id) DO UPDATE SET {changed}",
        keep=f"INSERT INTO {versions} {given}",
        removals=(removal.format(table), removal.format(versions)),
    )
