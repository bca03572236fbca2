"""Items in PostgreSQL."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.changes import Command
from libs.spine import Write, read
from libs.spine.entities import Entities, Rules
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.projection import Projector
from libs.wakeups import Wakeups
from services.knowledge.domain.changes import Body, decide, targets
from services.knowledge.domain.item import Stored
from services.knowledge.store.rows import ITEMS, item_from

# The items asked for, with those that they supersede: accepting one changes the others too.
_LOAD = """
    WITH asked AS (
        SELECT w.id, ARRAY(
            SELECT r.target FROM aeterna.knowledge_relation AS r
            WHERE r.tenant_id = $1 AND r.source = w.id AND r.kind = 'supersedes'
        ) AS supersedes
        FROM unnest($2::uuid[]) AS w (id)
    )
    SELECT i.*, coalesce(a.supersedes, '{}') AS supersedes
    FROM aeterna.knowledge_item AS i LEFT JOIN asked AS a ON a.id = i.id
    WHERE i.tenant_id = $1
      AND i.id = ANY($2::uuid[] || ARRAY(SELECT unnest(b.supersedes) FROM asked AS b))
"""

_ALL_EARLIER = """
    SELECT * FROM aeterna.knowledge_version WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""


class PostgresItems(VersionedTable[Stored]):
    """`Items` in PostgreSQL; the index hears of each commit before the answers go out."""

    def __init__(self, projector: Projector, wakeups: Wakeups) -> None:
        super().__init__(ITEMS)
        self._entities = Entities(self, Rules[Stored, Body](decide, targets), wakeups, projector)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)

    async def all_versions(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        return [self.entity(row) for row in await read(route, _ALL_EARLIER, list(ids))]

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Stored]:
        rows = await write.conn.fetch(_LOAD, write.route.tenant, ids)
        return {row["id"]: item_from(row, frozenset(row["supersedes"])) for row in rows}
