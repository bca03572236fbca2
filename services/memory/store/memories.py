"""Memories in PostgreSQL."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.aip.filtering import Comparison, to_sql
from libs.changes import Command, Step
from libs.spine import Write, reading
from libs.spine.entities import Entities, Reference, Rules
from libs.tenancy import Route
from libs.vectors.projection import Projector
from libs.wakeups import Wakeups
from services.memory.domain.changes import Body, decide, targets
from services.memory.domain.memory import Stored
from services.memory.errors import MemoryNotFound
from services.memory.store.rows import COLUMNS, from_row, to_columns

COLLECTION = "memories"

_UNNEST = """unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::float8[], $11::bigint[], $12::bigint[], $13::bytea[], $14::bytea[],
    $15::timestamptz[], $16::timestamptz[])"""
_PUT = f"""
    INSERT INTO aeterna.memory (tenant_id, {COLUMNS}) SELECT $1, m.* FROM {_UNNEST} AS m
    ON CONFLICT (tenant_id, id) DO UPDATE SET
        layer = excluded.layer, org_id = excluded.org_id, team_id = excluded.team_id,
        project_id = excluded.project_id, session_id = excluded.session_id,
        user_id = excluded.user_id, agent_id = excluded.agent_id,
        importance = excluded.importance, version = excluded.version, number = excluded.number,
        content = excluded.content, metadata = excluded.metadata, updated_at = excluded.updated_at
"""
_KEEP = (
    f"INSERT INTO aeterna.memory_version (tenant_id, {COLUMNS}) SELECT $1, m.* FROM {_UNNEST} AS m"
)
_REMOVE = "DELETE FROM aeterna.memory WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
_REMOVE_VERSIONS = (
    "DELETE FROM aeterna.memory_version WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
)
_GET = f"""
    SELECT {COLUMNS} FROM aeterna.memory WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""
_PAGE = f"""
    SELECT {COLUMNS} FROM aeterna.memory
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}}
    ORDER BY id DESC LIMIT $3
"""
_VERSIONS = f"""
    SELECT {COLUMNS} FROM aeterna.memory WHERE tenant_id = $1 AND id = $2 AND number =
    ANY($3::bigint[]) UNION ALL SELECT {COLUMNS} FROM aeterna.memory_version WHERE tenant_id = $1
    AND id = $2 AND number = ANY($3::bigint[]) ORDER BY number
"""
_ANSWER = """
    SELECT w.place, m.* FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS w (id, version,
    place) JOIN aeterna.{table} AS m ON m.tenant_id = $1 AND m.id = w.id AND m.version = w.version
"""


class MemoryTable:
    """The rows behind `Entities`: the current ones, and those that were replaced."""

    collection = COLLECTION

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Stored]:
        rows = await write.conn.fetch(_GET, write.route.tenant, ids)
        return {row["id"]: from_row(row) for row in rows}

    async def save(self, write: Write, steps: Sequence[Step[Stored]]) -> None:
        last = {step.entity.id: step for step in steps}
        gone = [memory for memory, step in last.items() if step.after is None]
        kept = [step.before for step in steps if step.before and step.entity.id not in gone]
        if gone:
            await write.conn.execute(_REMOVE, write.route.tenant, gone)
            await write.conn.execute(_REMOVE_VERSIONS, write.route.tenant, gone)
        if kept:
            await write.conn.execute(_KEEP, write.route.tenant, *to_columns(kept))
        if present := [step.after for step in last.values() if step.after]:
            await write.conn.execute(_PUT, write.route.tenant, *to_columns(present))

    async def answered(self, route: Route, references: Sequence[Reference]) -> Sequence[Stored]:
        ids = [memory for memory, _ in references]
        versions = [version for _, version in references]
        found: dict[int, Stored] = {}
        async with reading(route) as conn:
            for table in ("memory", "memory_version"):
                sql = _ANSWER.format(table=table)
                rows = await conn.fetch(sql, route.tenant, ids, versions)
                found.update({row["place"]: from_row(row) for row in rows})
        for place, memory in enumerate(ids, start=1):
            if place not in found:
                raise MemoryNotFound(memory)
        return [found[place] for place in sorted(found)]


class PostgresMemories:
    """`Memories` in PostgreSQL; the index hears of each commit before the answers go out."""

    def __init__(self, projector: Projector, wakeups: Wakeups) -> None:
        rules = Rules[Stored, Body](decide, targets)
        self._entities = Entities(MemoryTable(), rules, wakeups, projector)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        return await fetch_many(route, ids)

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Stored]:
        conditions, values = to_sql(where, 4)
        async with reading(route) as conn:
            rows = await conn.fetch(
                _PAGE.format(where=conditions), route.tenant, before, limit, *values
            )
        return [from_row(row) for row in rows]

    async def versions(self, route: Route, memory: UUID, numbers: Sequence[int]) -> list[Stored]:
        async with reading(route) as conn:
            rows = await conn.fetch(_VERSIONS, route.tenant, memory, numbers)
        return [from_row(row) for row in rows]


async def fetch_many(route: Route, ids: Sequence[UUID]) -> list[Stored]:
    """The memories that exist, in the order of `ids`."""
    if not ids:
        return []
    async with reading(route) as conn:
        rows = await conn.fetch(_GET, route.tenant, ids)
    found = {row["id"]: from_row(row) for row in rows}
    return [found[each] for each in ids if each in found]
