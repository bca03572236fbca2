"""Deletes memories that were archived long ago, or have long ceased to be true, by the batch.

Whether one may go is decided again under the tenant's lock: what was confirmed meanwhile stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.changes import Command
from libs.operations import Fields
from libs.operations.asking import origin_of
from libs.tenancy import Route
from services.memory.domain.changes import Body
from services.memory.domain.life import Expiry
from services.memory.domain.memory import Stored
from services.memory.domain.upkeep import Prune
from services.memory.ports import Memories

KIND = "PruneMemories"
EXPIRED = " AND (tier = 'archived' AND updated_at < $2 OR valid_until < $3)"  # as `Expiry` says


def expiry_of(parameters: Fields) -> Expiry:
    """What an operation is to delete."""
    times = {
        name: datetime.fromisoformat(parameters[name]) if parameters[name] else None
        for name in ("archived_before", "invalid_before")
    }
    return Expiry(**times)


def cutoffs(parameters: Fields) -> Sequence[object]:
    """The parameters of `EXPIRED`."""
    expiry = expiry_of(parameters)
    return expiry.archived_before, expiry.invalid_before


@dataclass(frozen=True)
class Pruning:
    """`Work` of PruneMemories."""

    memories: Memories

    async def __call__(
        self, route: Route, parameters: Fields, memories: Sequence[Stored]
    ) -> Mapping[str, int]:
        if parameters["validate_only"]:
            return {"memories": len(memories)}
        ids = tuple(each.id for each in memories)
        body: Body = Prune(ids, expiry_of(parameters))
        await self.memories.submit(route, Command(origin_of(parameters), None, body))
        return {"memories": len(ids) - len(await self.memories.get_many(route, ids))}
