"""Who may do what to which items: asks the policies where items are."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.authorization.seeing import MOST, sight_of
from libs.authorization.things import EVERYTHING, KNOWLEDGE_ITEM, Sight
from libs.service.caller import Caller
from services.knowledge.domain.access import COLUMNS
from services.knowledge.domain.relations import Relation
from services.knowledge.ports import Items, Relations


@dataclass(frozen=True)
class Access:
    """Over the items, whose places decide."""

    items: Items
    relations: Relations

    async def demand(self, current: Caller, action: str, *items: UUID) -> None:
        """Raises PermissionDenied unless the caller may do this to those of the items that exist:
        of the others, the operation will say that they do not."""
        for item in await self.items.get_many(current.route, items):
            current.demand(action, item.place(current.tenant))

    async def demand_ends(self, current: Caller, action: str, relation: UUID) -> None:
        """The same for the items at the ends of a relation, if there is one."""
        for each in await self.relations.get_many(current.route, [relation]):
            await self.demand(current, action, each.source, each.target)

    async def shown(self, current: Caller, relations: Sequence[Relation]) -> list[Relation]:
        """Those of the relations both of whose ends the caller may read."""
        if await self.sight(current, "GetKnowledgeItem") == EVERYTHING:
            return list(relations)
        ends = {end for each in relations for end in (each.source, each.target)}
        items = await self.items.get_many(current.route, list(ends))
        seen = {
            each.id for each in items if current.may("GetKnowledgeItem", each.place(current.tenant))
        }
        return [each for each in relations if {each.source, each.target} <= seen]

    async def sight(self, current: Caller, action: str) -> Sight:
        """The items that the caller may do this to."""

        async def places(attributes: Sequence[str]) -> list[tuple[str, ...]]:
            columns = [COLUMNS[each] for each in attributes]
            return await self.items.places(current.route, columns, MOST)

        return await sight_of(current.asker, action, KNOWLEDGE_ITEM, current.tenant, places)
