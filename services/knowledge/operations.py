"""What the knowledge service does: seal first, then write; read, then open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.aip.filtering import Condition
from libs.aip.names import resource_uuid
from libs.approvals import ApprovalRequired, Approved
from libs.approvals import Kind as Approvable
from libs.auth.identity import escaped
from libs.changes import Asked, Command, Operation, Origin
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import KNOWLEDGE_ITEM_CONTENT as _CONTENT
from libs.encryption.registry import KNOWLEDGE_ITEM_TITLE as _TITLE
from libs.encryption.registry import Field
from libs.scope import Scope
from libs.spine.changes import LoggedChange, changes_of
from libs.tenancy import Route
from libs.usage import Attribution
from libs.vectors.nearest import Nearest
from services.knowledge.constraints import Constraining
from services.knowledge.domain.changes import Body, Create, Move, Update
from services.knowledge.domain.item import Item, Kind, Layer, Stored, View, check_scope
from services.knowledge.domain.relations import Link, Relation, RelationKind, Unlink
from services.knowledge.domain.status import Status
from services.knowledge.errors import ItemNotFound
from services.knowledge.ports import Consenting, Items, Relations

SERVICE = "service:knowledge"
_JUDGED = (Operation.PROPOSED, Operation.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Draft:
    """An item to create, as the caller gave it."""

    kind: Kind
    layer: Layer
    scope: Scope
    title: str
    content: str


@dataclass(frozen=True, slots=True)
class Found:
    """A search result; `score` is the cosine similarity, -1 to 1."""

    item: Item
    score: float


@dataclass(frozen=True)
class ItemOperations:
    """Every operation on items, over the ports. `by` is the person in whose name it is done."""

    items: Items
    keyring: Keyring
    embedder: TenantEmbedder
    nearest: Nearest[Stored]
    constraining: Constraining
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]
    consents: Consenting

    async def create(self, route: Route, asked: Asked, draft: Draft, by: str) -> Item:
        """Stores a draft; the request calls it `knowledge_item`."""
        check_scope(draft.layer, draft.scope, "knowledge_item.scope")
        await self._require_consent(route, by)
        at = self.now()
        item = Stored(
            id=self.new_id(),
            kind=draft.kind,
            layer=draft.layer,
            scope=draft.scope,
            status=Status.DRAFT,
            author=by,
            proposer="",
            version=1,
            number=0,
            title=b"",
            content=b"",
            created_at=at,
            updated_at=at,
        )
        sealed = await self._seal(route, item.id, draft.title, draft.content)
        item = replace(item, title=sealed[_TITLE], content=sealed[_CONTENT])
        return await self._change(route, asked, Create(item))

    async def get(self, route: Route, item_id: UUID) -> Item:
        """One item; raises ItemNotFound."""
        stored = await self.items.get_many(route, [item_id])
        if not stored:
            raise ItemNotFound(item_id)
        (item,) = await opened(self.keyring, route, stored)
        return item

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> list[Item]:
        """Newest first, those older than `before`."""
        stored = await self.items.page(route, where, before, limit)
        return await opened(self.keyring, route, stored)

    async def update(
        self,
        route: Route,
        asked: Asked,
        item_id: UUID,
        version: int,
        title: str | None,
        content: str | None,
    ) -> Item:
        """Replaces what is given in a draft."""
        for before in await self.items.get_many(route, [item_id]):
            await self._require_consent(route, before.author)
        sealed = await self._seal(route, item_id, title, content)
        body = Update(item_id, version, self.now(), sealed.get(_TITLE), sealed.get(_CONTENT))
        return await self._change(route, asked, body)

    async def move(
        self, route: Route, asked: Asked, operation: Operation, item_id: UUID, version: int, by: str
    ) -> Item:
        """Proposes, accepts, rejects or deprecates."""
        constraints = None
        if operation in _JUDGED:
            constraints = await self.constraining(route, await self.get(route, item_id))
        move = Move(operation, item_id, version, self.now(), by, constraints)
        return await self._change(route, asked, move)

    async def apply(self, route: Route, approved: Approved) -> None:
        """Accepts what was approved, in the name of who approved last; raises what `move` does."""
        by = approved.approvers[-1] if approved.approvers else ""
        item = resource_uuid(approved.target, self.nearest.collection.name, "target")
        if not approved.is_of((await self.get(route, item)).stored.scope):
            raise ApprovalRequired(Approvable.KNOWLEDGE, approved.target, approved.version)
        origin = Origin(f"{SERVICE} for user:{escaped(by)}" if by else SERVICE)
        await self.move(route, Asked(origin, None), Operation.ACCEPTED, item, approved.version, by)

    async def search(
        self, route: Route, query: str, view: View, limit: int, min_score: float
    ) -> list[Found]:
        """The items nearest in meaning, best first."""
        consents = await self.consents.get(route)
        if consents.policy.knowledge_authors:
            view = replace(view, consent=consents.retrievable(self.now()))
        text = Text(query, view.scope.user_id, Attribution.of(view.scope))
        (vector,) = await self.embedder.embed(route, [text], Purpose.QUERY)
        nearest = await self.nearest(route, vector, view.filter(), view.deep(limit))
        shown = [each for each in nearest if each.score >= min_score and view.shows(each.entity)]
        items = await opened(self.keyring, route, [each.entity for each in shown[:limit]])
        return [Found(item, each.score) for item, each in zip(items, shown, strict=False)]

    async def history(
        self, route: Route, item_id: UUID, since: int, limit: int
    ) -> list[tuple[LoggedChange, Item | None]]:
        """What happened to an item after the change `since`, oldest first; without the item where
        an erasure has left no version.

        Raises:
            ItemNotFound: There is no such item.
        """
        changes = await changes_of(route, f"{self.nearest.collection.name}/{item_id}", since, limit)
        if not changes and since == 0:
            raise ItemNotFound(item_id)
        numbers = [change.number for change in changes]
        stored = await self.items.versions(route, item_id, numbers)
        items = {each.stored.number: each for each in await opened(self.keyring, route, stored)}
        return [(change, items.get(change.number)) for change in changes]

    async def _require_consent(self, route: Route, author: str) -> None:
        """Where knowledge is about its author: raises ConsentMissing."""
        consents = await self.consents.get(route)
        if consents.policy.knowledge_authors:
            consents.require_to_store({author}, self.now())

    async def _change(self, route: Route, asked: Asked, body: Body) -> Item:
        written = await self.items.submit(route, Command(asked.origin, asked.request, body))
        (item,) = await opened(self.keyring, route, written[:1])
        return item

    async def _seal(
        self, route: Route, item_id: UUID, title: str | None, content: str | None
    ) -> dict[Field, bytes]:
        """What is given of title and content, sealed as the tenant's own data."""
        texts = ((_TITLE, title), (_CONTENT, content))
        given = {field: text.encode() for field, text in texts if text is not None}
        plain = [Plain("", field, item_id, data) for field, data in given.items()]
        return dict(zip(given, await self.keyring.seal(route, plain), strict=True))


async def opened(keyring: Keyring, route: Route, stored: Sequence[Stored]) -> list[Item]:
    """Items with what is sealed in them."""
    sealed = [
        Sealed(field, item.id, blob)
        for item in stored
        for field, blob in ((_TITLE, item.title), (_CONTENT, item.content))
    ]
    texts = iter(await keyring.open(route, sealed))
    return [Item(each, next(texts).decode(), next(texts).decode()) for each in stored]


@dataclass(frozen=True)
class RelationOperations:
    """Every operation on the links between items."""

    relations: Relations
    items: Items
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def create(
        self, route: Route, asked: Asked, source: UUID, target: UUID, kind: RelationKind
    ) -> Relation:
        """Links two items."""
        relation = Relation(self.new_id(), source, target, kind, 0, self.now())
        (written,) = await self._submit(route, asked, Link(relation))
        return written

    async def delete(self, route: Route, asked: Asked, relation_id: UUID) -> None:
        """Removes a link."""
        await self._submit(route, asked, Unlink(relation_id))

    async def page(
        self, route: Route, item_id: UUID, before: UUID | None, limit: int
    ) -> list[Relation]:
        """The links from and to an item, newest first, those older than `before`."""
        if not await self.items.get_many(route, [item_id]):
            raise ItemNotFound(item_id)
        return await self.relations.page(route, item_id, before, limit)

    async def _submit(self, route: Route, asked: Asked, body: Link | Unlink) -> Sequence[Relation]:
        return await self.relations.submit(route, Command(asked.origin, asked.request, body))
