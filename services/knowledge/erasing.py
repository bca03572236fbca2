"""Takes what names an erased person out of the texts of knowledge: `libs.erasure.walking.Texts`.

Items belong to the tenant: none is deleted. The ids of author and proposer are governance's to
replace. Texts are rewritten, embedded and sealed before the tenant's lock is taken; an item that
changed meanwhile is looked at again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from libs.changes import Command, Origin
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import KNOWLEDGE_ITEM_CONTENT, KNOWLEDGE_ITEM_TITLE
from libs.erasure import Erasure
from libs.erasure.texts import is_named, mentions, of_others
from libs.spine import read
from libs.tenancy import Route
from services.knowledge.domain.changes import Body, Rewrite
from services.knowledge.domain.item import Item
from services.knowledge.errors import ItemNotFound, VersionMismatch
from services.knowledge.operations import opened
from services.knowledge.ports import Items

_BATCH = 256
_ROUNDS = 5
_NEXT = """
    SELECT id FROM aeterna.knowledge_item
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""


@dataclass(frozen=True)
class ErasedKnowledge:
    """Items of a tenant, 256 at a time."""

    items: Items
    keyring: Keyring
    embedder: TenantEmbedder

    async def batch(self, route: Route, after: UUID | None) -> list[UUID]:
        """See `Texts`."""
        return [row["id"] for row in await read(route, _NEXT, after, _BATCH)]

    async def erase(
        self, route: Route, erasure: Erasure, origin: Origin, batch: list[UUID]
    ) -> Mapping[str, int]:
        """See `Texts`."""
        found = await self._found(route, erasure, batch)
        total, left = len(found), found
        for _ in range(_ROUNDS):
            for item in left:
                with suppress(VersionMismatch, ItemNotFound):
                    await self._rewrite(route, erasure, origin, item)
            left = await self._found(route, erasure, [each.stored.id for each in left])
            if not left:
                break
        return {"found": total, "erased": total - len(left)}

    async def look(self, route: Route, erasure: Erasure, batch: list[UUID]) -> int:
        """See `Texts`."""
        return len(await self._found(route, erasure, batch))

    async def finish(self, route: Route, origin: Origin) -> None:
        """See `Texts`: the memory service sees to cached embeddings, of both."""

    async def _found(self, route: Route, erasure: Erasure, ids: Sequence[UUID]) -> list[Item]:
        """Those whose texts name the person, now or in an earlier version."""
        if not ids:
            return []
        current = await opened(self.keyring, route, await self.items.get_many(route, ids))
        stored = await self.items.all_versions(route, ids)
        earlier = {
            each.stored.id
            for each in await opened(self.keyring, route, stored)
            if _names_person(each, erasure)
        }
        return [
            each for each in current if each.stored.id in earlier or _names_person(each, erasure)
        ]

    async def _rewrite(self, route: Route, erasure: Erasure, origin: Origin, item: Item) -> None:
        replaced, stored = of_others(erasure), item.stored
        title, content = replaced(item.title), replaced(item.content)
        text = Text(f"{title}\n\n{content}", "")
        (vector,) = await self.embedder.embed(route, [text], Purpose.DOCUMENT)
        texts = ((KNOWLEDGE_ITEM_TITLE, title), (KNOWLEDGE_ITEM_CONTENT, content))
        plain = [Plain("", field, stored.id, each.encode()) for field, each in texts]
        sealed = await self.keyring.seal(route, plain)
        body = Rewrite(stored.id, stored.version, sealed[0], sealed[1], vector)
        command: Command[Body] = Command(origin, None, body)
        await self.items.submit(route, command)


def _names_person(item: Item, erasure: Erasure) -> bool:
    texts = [item.title, item.content]
    return is_named(texts, erasure.names) or mentions(texts, erasure.identifiers)
