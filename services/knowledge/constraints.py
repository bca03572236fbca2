"""Constraints that stand in the texts of items: what an item that is accepted makes a policy of.

Judged beside the tenant's other policies when an item is proposed, and again when it is accepted.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from libs.constraints import Layer
from libs.constraints.markdown import Block, parse
from libs.constraints.standing import check_policy, check_room
from libs.constraints.store import Opened, opened, seal
from libs.constraints.stored import Stored as Policy
from libs.encryption.keyring import Keyring
from libs.tenancy import Route
from services.knowledge.domain.item import Item, Kind, Written
from services.knowledge.domain.relations import RelationKind
from services.knowledge.ports import Relations

_FIELD = "knowledge_item.content"
_MOST_RELATIONS = 1000  # that are looked at for what an item supersedes


class Policies(Protocol):
    """The tenant's policies."""

    async def all(self, route: Route) -> list[Policy]:
        """All of them, oldest first."""


@dataclass(frozen=True)
class Constraining:
    """Reads and judges the constraints of items."""

    policies: Policies
    relations: Relations
    keyring: Keyring

    async def __call__(self, route: Route, item: Item) -> Written | None:
        """What an item says, sealed; None when it says nothing.

        Raises:
            InvalidRequest: The block is wrong; the line or field is named.
            ConstraintConflict, MandatoryPolicy, TooManyPolicies, TooManyRules: It cannot stand
                beside the other policies.
        """
        if item.stored.kind is not Kind.POLICY:
            return None
        block = parse(item.content, _FIELD)
        if block is None:
            return None
        document = await seal(self.keyring, route, item.stored.id, item.title, block.rules)
        written = Written(block.key, block.mode, block.merge, len(block.rules), document)
        await self._judge(route, item, block, written)
        return written

    async def _judge(self, route: Route, item: Item, block: Block, written: Written) -> None:
        replaced = await self._superseded(route, item.stored.id)
        others = [each for each in await self.policies.all(route) if each.id not in replaced]
        policy = _policy(item, written)
        check_room(others, policy)
        beside = [each.policy for each in await opened(self.keyring, route, others)]
        judged = Opened(policy, item.title, block.rules).policy
        await asyncio.to_thread(check_policy, judged, beside)

    async def _superseded(self, route: Route, item: UUID) -> Sequence[UUID]:
        """The item, and those whose place it takes."""
        found = await self.relations.page(route, item, None, _MOST_RELATIONS)
        supersedes = [each for each in found if each.kind is RelationKind.SUPERSEDES]
        return [item, *(each.target for each in supersedes if each.source == item)]


def _policy(item: Item, written: Written) -> Policy:
    stored = item.stored
    return Policy(
        id=stored.id,
        key=written.key,
        layer=Layer(stored.layer.value),
        scope=stored.scope,
        mode=written.mode,
        merge=written.merge,
        source=stored.id,
        rules=written.rules,
        author=stored.author,
        version=stored.version,
        number=0,
        document=written.document,
        created_at=stored.updated_at,
        updated_at=stored.updated_at,
    )
