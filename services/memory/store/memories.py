"""Memories in PostgreSQL."""

from collections.abc import Sequence

from libs.changes import Command
from libs.spine.entities import Entities, Rules
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.projection import Projector
from libs.wakeups import Wakeups
from services.memory.domain.changes import Body, decide, targets, weigh
from services.memory.domain.memory import Stored
from services.memory.store.rows import MEMORIES


class PostgresMemories(VersionedTable[Stored]):
    """`Memories` in PostgreSQL; the index hears of each commit before the answers go out."""

    def __init__(self, projector: Projector, wakeups: Wakeups) -> None:
        super().__init__(MEMORIES)
        rules = Rules[Stored, Body](decide, targets, weigh)
        self._entities = Entities(self, rules, wakeups, projector)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)
