"""Who may do what to which memories: asks the policies where memories are."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.authorization.seeing import MOST, sight_of
from libs.authorization.things import MEMORY, Sight, Thing
from libs.scope import Scope
from libs.service.caller import Caller
from libs.spine.changes import LoggedChange
from services.memory.domain.access import COLUMNS, place
from services.memory.domain.memory import Layer, Stored, Tier
from services.memory.ports import Memories


@dataclass(frozen=True)
class Access:
    """Over the memories, whose places decide."""

    memories: Memories

    async def demand(self, current: Caller, action: str, memory_id: UUID) -> Thing | None:
        """Where the memory is; None if there is none, which the operation will say, or else that it
        has been answered before.

        Raises:
            PermissionDenied: The caller may not do this to it.
        """
        found = await self.memories.get_many(current.route, [memory_id])
        if not found:
            return None
        there = found[0].place(current.tenant)
        current.demand(action, there)
        return there

    def demand_new(self, current: Caller, action: str, layer: Layer, scope: Scope) -> None:
        """Raises PermissionDenied unless the caller may do this to a memory that would be there."""
        current.demand(action, place(current.tenant, layer.value, scope, Tier.HOT.value))

    async def sight(self, current: Caller, action: str) -> Sight:
        """The memories that the caller may do this to."""

        async def places(attributes: Sequence[str]) -> list[tuple[str, ...]]:
            columns = [COLUMNS[each] for each in attributes]
            return await self.memories.places(current.route, columns, MOST)

        return await sight_of(current.asker, action, MEMORY, current.tenant, places)


def may_read(current: Caller, change: LoggedChange, memory: Stored | None) -> bool:
    """Whether the caller may see what a change made of a memory; of one that is gone, only layer
    and person are known."""
    if memory:
        return current.may("ListMemoryRevisions", memory.place(current.tenant))
    there = Thing(
        MEMORY,
        current.tenant,
        layer=change.layer,
        user=change.subject,
        unknown=frozenset({"org", "team", "project", "session", "agent", "status"}),
    )
    return current.may("ListMemoryRevisions", there)
