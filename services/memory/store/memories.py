"""Memories in PostgreSQL."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from libs.changes import Command, Step
from libs.lexical import documents
from libs.lexical.postings import Postings
from libs.spine import Write, read
from libs.spine.entities import Entities, Rules
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.projection import Projector
from libs.wakeups import Wakeups
from services.memory.domain.changes import Body, decide, targets, weigh
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import Stored
from services.memory.ports import Near
from services.memory.store.rows import MEMORIES

# Both of layer `session` with the same ids: a filter that one passes, the other passes, too.
# Turns are in the order in which they were said: an import may have stored them in another.
_NEXT_TO = """
    ARRAY(
        SELECT n.id FROM aeterna.memory AS n
        WHERE n.tenant_id = $1 AND n.user_id = m.user_id AND n.session_id = m.session_id
          AND n.layer = 'session' AND m.layer = 'session'
          AND (coalesce(n.event_at, n.created_at), n.id)
            {than} (coalesce(m.event_at, m.created_at), m.id)
        ORDER BY coalesce(n.event_at, n.created_at) {order}, n.id {order} LIMIT 2
    )
"""
_AROUND = f"""
    WITH found AS (
        SELECT m.id, {_NEXT_TO.format(than="<", order="DESC")} AS before,
            {_NEXT_TO.format(than=">", order="ASC")} AS after
        FROM aeterna.memory AS m WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[])
    ), near AS (
        SELECT DISTINCT unnest(before || after) AS id FROM found WHERE id = ANY($3::uuid[])
    ), wanted AS (
        SELECT * FROM found
        UNION ALL SELECT id, '{{}}', '{{}}' FROM near WHERE id NOT IN (SELECT id FROM found)
    )
    SELECT m.*, w.before, w.after
    FROM wanted AS w JOIN aeterna.memory AS m ON m.tenant_id = $1 AND m.id = w.id
"""
# With what each person says of them.
_LOAD = """
    SELECT m.*, coalesce((
        SELECT jsonb_object_agg(f.person, f.feedback) FROM aeterna.memory_feedback AS f
        WHERE f.tenant_id = $1 AND f.memory_id = m.id
    ), '{}') AS ratings
    FROM aeterna.memory AS m WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[])
"""
_RATE = """
    INSERT INTO aeterna.memory_feedback (tenant_id, memory_id, person, feedback)
    SELECT $1, r.* FROM unnest($2::uuid[], $3::text[], $4::text[]) AS r
    ON CONFLICT (tenant_id, memory_id, person) DO UPDATE SET feedback = excluded.feedback
"""
_EARLIER = """
    SELECT DISTINCT ON (content, metadata, author, source) * FROM aeterna.memory_version
    WHERE tenant_id = $1 AND id = $2 LIMIT $3
"""
_ALL_EARLIER = "SELECT * FROM aeterna.memory_version WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
# Those of memories that have a vector.
_HOT_IDS = """
    SELECT id FROM aeterna.memory
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) AND tier = 'hot'
    ORDER BY id DESC LIMIT $3
"""
_HOT = "SELECT count(*) FROM aeterna.memory WHERE tenant_id = $1 AND tier = 'hot'"
_FORGET = """
    DELETE FROM aeterna.memory_feedback WHERE tenant_id = $1 AND memory_id = ANY($2::uuid[])
"""


class PostgresMemories(VersionedTable[Stored]):
    """`Memories` in PostgreSQL; the vector index hears of each commit before the answers go out,
    the lexical one is part of it."""

    def __init__(self, postings: Postings, projector: Projector, wakeups: Wakeups) -> None:
        super().__init__(MEMORIES)
        self._postings = postings
        rules = Rules[Stored, Body](decide, targets, weigh)
        self._entities = Entities(self, rules, wakeups, projector)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def save(self, write: Write, steps: Sequence[Step[Stored]]) -> None:
        await super().save(write, steps)
        self._postings.join(write, *documents(steps))
        last = {step.entity.id: step for step in steps}
        if gone := [memory for memory, step in last.items() if step.after is None]:
            write.add(_FORGET, gone)
        if rated := _ratings(step for step in steps if last[step.entity.id].after):
            ids, people = zip(*rated, strict=True)
            write.add(_RATE, list(ids), list(people), list(rated.values()))

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Stored]:
        rows = await write.conn.fetch(_LOAD, write.route.tenant, ids)
        return {row["id"]: _with_ratings(self.entity(row), row["ratings"]) for row in rows}

    async def hot_ids(self, route: Route, before: UUID | None, limit: int) -> list[UUID]:
        """Of those that the vector index holds, the newest older than `before`."""
        return [row["id"] for row in await read(route, _HOT_IDS, before, limit)]

    async def hot_count(self, route: Route) -> int:
        """How many the vector index holds."""
        (row,) = await read(route, _HOT)
        return int(row["count"])

    async def around(
        self, route: Route, ids: Sequence[UUID], centres: Sequence[UUID]
    ) -> list[Near]:
        rows = await read(route, _AROUND, list(ids), list(centres)) if ids else []
        return [Near(self.entity(row), row["before"], row["after"]) for row in rows]

    async def earlier(self, route: Route, memory: UUID, limit: int) -> list[Stored]:
        return [self.entity(row) for row in await read(route, _EARLIER, memory, limit)]

    async def all_versions(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        rows = await read(route, _ALL_EARLIER, list(ids)) if ids else []
        return [self.entity(row) for row in rows]

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)


def _with_ratings(memory: Stored, ratings: str) -> Stored:
    said = {person: Feedback(value) for person, value in json.loads(ratings).items()}
    return replace(memory, ratings=said)


def _ratings(steps: Iterable[Step[Stored]]) -> dict[tuple[UUID, str], Feedback]:
    """What is new of what people say of memories."""
    return {
        (step.entity.id, person): said
        for step in steps
        if step.before and step.after
        for person, said in step.after.ratings.items()
        if step.before.ratings.get(person) is not said
    }
