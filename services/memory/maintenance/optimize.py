"""Moves memories to the tiers that their importance says, by the batch.

Where a memory belongs is decided under the tenant's lock, of the memory as it is then; what the
indexes need of those that move up is made before.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from libs.changes import Command
from libs.operations import Fields
from libs.operations.asking import origin_of
from libs.tenancy import Route
from services.memory.aging import LifeOf
from services.memory.domain.changes import Body
from services.memory.domain.memory import Stored
from services.memory.domain.upkeep import Retier
from services.memory.indexing import Indexing
from services.memory.ports import Memories

KIND = "OptimizeMemories"


@dataclass(frozen=True)
class Optimize:
    """`Work` of OptimizeMemories."""

    memories: Memories
    indexing: Indexing
    life: LifeOf
    now: Callable[[], datetime]

    async def __call__(
        self, route: Route, parameters: Fields, memories: Sequence[Stored]
    ) -> Mapping[str, int]:
        life, at = await self.life(route), self.now()
        pairs = [(each, replace(each, tier=life.tier(each, at))) for each in memories]
        moved = [after for before, after in pairs if after.tier is not before.tier]
        if parameters["validate_only"] or not moved:
            return _counted(moved)
        rising = [after for before, after in pairs if after.indexes & ~before.indexes]
        entries = {each.memory.id: each for each in await self.indexing.entries(route, rising)}
        body: Body = Retier(tuple(each.id for each in moved), at, life, entries)
        command = Command(origin_of(parameters), None, body)
        return _counted(await self.memories.submit(route, command))


def _counted(moved: Sequence[Stored]) -> Mapping[str, int]:
    return Counter(each.tier.value for each in moved)
