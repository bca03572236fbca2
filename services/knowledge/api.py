"""gRPC servicer of knowledge items and their relations: translates, nothing else."""

from typing import Any

from google.protobuf import empty_pb2

from aeterna.knowledge.v1 import knowledge_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from libs.aip.filtering import Condition, Field, parse
from libs.aip.filtering import Kind as FieldKind
from libs.aip.names import resource_uuid
from libs.aip.paging import Page, fitting
from libs.authorization.things import item_place
from libs.changes import Asked, Operation
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import Caller, caller
from libs.service.convert import (
    asked,
    change_to,
    enum_from,
    masked,
    scope_from,
    scope_to,
    timestamp,
)
from libs.service.pipeline import Context
from services.knowledge.access import Access
from services.knowledge.domain.access import restricting
from services.knowledge.domain.item import ITEM_IDS, Item, Kind, Layer, View
from services.knowledge.domain.relations import Relation, RelationKind
from services.knowledge.domain.status import Status
from services.knowledge.operations import Draft, ItemOperations, RelationOperations

_TEXTS = ("title", "content")
ITEMS, RELATIONS = "knowledgeItems", "relations"
_PAGE = 100  # items of 256 KiB on one page at most
_KINDS: dict[int, Kind] = {pb.KnowledgeKind.Value(f"KNOWLEDGE_KIND_{e.name}"): e for e in Kind}
_LAYERS: dict[int, Layer] = {pb.KnowledgeLayer.Value(f"KNOWLEDGE_LAYER_{e.name}"): e for e in Layer}
_STATUSES: dict[int, Status] = {
    pb.KnowledgeStatus.Value(f"KNOWLEDGE_STATUS_{e.name}"): e for e in Status
}
_RELATION_KINDS: dict[int, RelationKind] = {
    pb.RelationKind.Value(f"RELATION_KIND_{e.name}"): e for e in RelationKind
}
_FILTER = {
    **{name: Field(name, FieldKind.TEXT) for name in (*ITEM_IDS, "author")},
    "kind": Field("kind", FieldKind.ENUM, {e.value: e.value for e in Kind}),
    "layer": Field("layer", FieldKind.ENUM, {e.value: e.value for e in Layer}),
    "status": Field("status", FieldKind.ENUM, {e.value: e.value for e in Status}),
    "create_time": Field("created_at", FieldKind.TIME),
    "update_time": Field("updated_at", FieldKind.TIME),
}


class KnowledgeServicer(pb_grpc.KnowledgeServiceServicer):
    """`aeterna.knowledge.v1.KnowledgeService` over the operations."""

    def __init__(
        self,
        items: ItemOperations,
        relations: RelationOperations,
        keyring: Keyring,
        access: Access,
    ) -> None:
        self._items, self._relations, self._keyring = items, relations, keyring
        self._access = access

    async def CreateKnowledgeItem(
        self, request: pb.CreateKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        current = caller()
        draft = _draft(request.knowledge_item)
        to_be = item_place(current.tenant, draft.layer.value, draft.scope, Status.DRAFT.value)
        current.demand("CreateKnowledgeItem", to_be)
        by = await self._asked(current, "CreateKnowledgeItem", request)
        return _item(await self._items.create(current.route, by, draft, current.identity.subject))

    async def GetKnowledgeItem(
        self, request: pb.GetKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        current = caller()
        item = await self._items.get(current.route, resource_uuid(request.name, ITEMS))
        current.demand("GetKnowledgeItem", item.stored.place(current.tenant))
        return _item(item)

    async def ListKnowledgeItems(
        self, request: pb.ListKnowledgeItemsRequest, context: Context
    ) -> pb.ListKnowledgeItemsResponse:
        current = caller()
        sight = await self._access.sight(current, "ListKnowledgeItems")
        where: list[Condition] = [*parse(request.filter, _FILTER), *restricting(sight)]
        binding = f"ListKnowledgeItems/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding, maximum=_PAGE)
        items = await self._items.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(items, lambda item: item.stored.id, _size)
        return pb.ListKnowledgeItemsResponse(
            knowledge_items=map(_item, shown), next_page_token=token
        )

    async def UpdateKnowledgeItem(
        self, request: pb.UpdateKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        current, new = caller(), request.knowledge_item
        item_id = resource_uuid(new.name, ITEMS, "knowledge_item.name")
        names = masked(new, list(request.update_mask.paths), _TEXTS)
        title, content = (_text(new, name) if name in names else None for name in _TEXTS)
        await self._access.demand(current, "UpdateKnowledgeItem", item_id)
        by = await self._asked(current, "UpdateKnowledgeItem", request)
        return _item(
            await self._items.update(current.route, by, item_id, new.version, title, content)
        )

    async def ProposeKnowledgeItem(
        self, request: pb.ProposeKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        return await self._move("ProposeKnowledgeItem", Operation.PROPOSED, request)

    async def AcceptKnowledgeItem(
        self, request: pb.AcceptKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        return await self._move("AcceptKnowledgeItem", Operation.ACCEPTED, request)

    async def RejectKnowledgeItem(
        self, request: pb.RejectKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        return await self._move("RejectKnowledgeItem", Operation.REJECTED, request)

    async def DeprecateKnowledgeItem(
        self, request: pb.DeprecateKnowledgeItemRequest, context: Context
    ) -> pb.KnowledgeItem:
        return await self._move("DeprecateKnowledgeItem", Operation.DEPRECATED, request)

    async def SearchKnowledgeItems(
        self, request: pb.SearchKnowledgeItemsRequest, context: Context
    ) -> pb.SearchKnowledgeItemsResponse:
        statuses = tuple(_STATUSES[each] for each in request.statuses) or (Status.ACCEPTED,)
        kinds = tuple(_KINDS[each] for each in request.kinds)
        current = caller()
        sight = await self._access.sight(current, "SearchKnowledgeItems")
        view = View(scope_from(request.scope), statuses, kinds, sight)
        # Without a bound given, nothing is left out: the least cosine is -1.
        floor = request.min_score or -1.0
        found = await self._items.search(
            current.route, request.query, view, request.limit or 10, floor
        )
        results = [
            pb.SearchResult(knowledge_item=_item(each.item), score=each.score)
            for each in fitting(found, lambda each: _size(each.item))
        ]
        return pb.SearchKnowledgeItemsResponse(results=results)

    async def ListKnowledgeItemRevisions(
        self, request: pb.ListKnowledgeItemRevisionsRequest, context: Context
    ) -> pb.ListKnowledgeItemRevisionsResponse:
        current = caller()
        item_id = resource_uuid(request.name, ITEMS)
        binding = f"ListKnowledgeItemRevisions/{current.tenant}/{request.name}"
        page = Page.asked(request.page_size, request.page_token, binding=binding, maximum=_PAGE)
        since = page.after_number()
        await self._access.demand(current, "ListKnowledgeItemRevisions", item_id)
        history = await self._items.history(current.route, item_id, since, page.limit)
        shown, token = page.cut(
            history,
            lambda revision: revision[0].number,
            lambda revision: _size(revision[1]) if revision[1] else 0,
        )
        revisions = [
            pb.KnowledgeItemRevision(
                change=change_to(change), knowledge_item=_item(item) if item else None
            )
            for change, item in shown
        ]
        return pb.ListKnowledgeItemRevisionsResponse(revisions=revisions, next_page_token=token)

    async def CreateRelation(
        self, request: pb.CreateRelationRequest, context: Context
    ) -> pb.Relation:
        current, new = caller(), request.relation
        source = resource_uuid(new.source, ITEMS, "relation.source")
        target = resource_uuid(new.target, ITEMS, "relation.target")
        kind = enum_from(_RELATION_KINDS, new.kind, "relation.kind")
        await self._access.demand(current, "CreateRelation", source, target)
        by = await self._asked(current, "CreateRelation", request)
        return _relation(await self._relations.create(current.route, by, source, target, kind))

    async def DeleteRelation(
        self, request: pb.DeleteRelationRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        relation_id = resource_uuid(request.name, RELATIONS)
        await self._access.demand_ends(current, "DeleteRelation", relation_id)
        by = await self._asked(current, "DeleteRelation", request)
        await self._relations.delete(current.route, by, relation_id)
        return empty_pb2.Empty()

    async def ListRelations(
        self, request: pb.ListRelationsRequest, context: Context
    ) -> pb.ListRelationsResponse:
        current = caller()
        item_id = resource_uuid(request.knowledge_item, ITEMS, "knowledge_item")
        binding = f"ListRelations/{current.tenant}/{request.knowledge_item}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        await self._access.demand(current, "ListRelations", item_id)
        relations = await self._relations.page(current.route, item_id, page.after_id(), page.limit)
        shown, token = page.cut(relations, lambda relation: relation.id)
        shown = await self._access.shown(current, shown)
        return pb.ListRelationsResponse(relations=map(_relation, shown), next_page_token=token)

    async def _move(self, method: str, operation: Operation, request: Any) -> pb.KnowledgeItem:
        current = caller()
        item_id = resource_uuid(request.name, ITEMS)
        await self._access.demand(current, method, item_id)
        by = await self._asked(current, method, request)
        return _item(
            await self._items.move(
                current.route, by, operation, item_id, request.version, current.identity.subject
            )
        )

    async def _asked(self, current: Caller, method: str, request: Any) -> Asked:
        return await asked(current, self._keyring, method, request)


def _text(item: pb.KnowledgeItem, name: str) -> str:
    text: str = getattr(item, name)
    if not text.strip():
        raise invalid(f"knowledge_item.{name}", "must not be blank")
    return text


def _draft(item: pb.KnowledgeItem) -> Draft:
    return Draft(
        kind=enum_from(_KINDS, item.kind, "knowledge_item.kind"),
        layer=enum_from(_LAYERS, item.layer, "knowledge_item.layer"),
        scope=scope_from(item.scope),
        title=_text(item, "title"),
        content=_text(item, "content"),
    )


def _item(item: Item) -> pb.KnowledgeItem:
    stored = item.stored
    return pb.KnowledgeItem(
        name=f"{ITEMS}/{stored.id}",
        kind=pb.KnowledgeKind.Value(f"KNOWLEDGE_KIND_{stored.kind.name}"),
        layer=pb.KnowledgeLayer.Value(f"KNOWLEDGE_LAYER_{stored.layer.name}"),
        scope=scope_to(stored.scope),
        title=item.title,
        content=item.content,
        status=pb.KnowledgeStatus.Value(f"KNOWLEDGE_STATUS_{stored.status.name}"),
        version=stored.version,
        change_number=stored.number,
        author=stored.author,
        proposer=stored.proposer,
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
    )


def _size(item: Item) -> int:
    """Bytes of an item in an answer, roughly."""
    return len(item.stored.title) + len(item.stored.content)


def _relation(relation: Relation) -> pb.Relation:
    return pb.Relation(
        name=f"{RELATIONS}/{relation.id}",
        source=f"{ITEMS}/{relation.source}",
        target=f"{ITEMS}/{relation.target}",
        kind=pb.RelationKind.Value(f"RELATION_KIND_{relation.kind.name}"),
        create_time=timestamp(relation.created_at),
    )
