"""The knowledge service as one caller sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf import field_mask_pb2

from aeterna.common.v1 import scope_pb2
from aeterna.knowledge.v1 import knowledge_pb2 as pb
from libs.auth import Role
from tests.suite import Metadata, Suite

TEXT = "We keep the truth in PostgreSQL."


def draft(title: str = "Storage", content: str = TEXT, **values: Any) -> pb.KnowledgeItem:
    """An architecture decision for the whole tenant, but for `values`."""
    values = {"kind": pb.KNOWLEDGE_KIND_ADR, "layer": pb.KNOWLEDGE_LAYER_COMPANY, **values}
    scope = scope_pb2.Scope(**values.pop("scope", {}))
    return pb.KnowledgeItem(title=title, content=content, scope=scope, **values)


@dataclass(frozen=True)
class Client:
    """Calls in the name of one caller."""

    suite: Suite
    metadata: Metadata
    tenant: str = "acme"

    def as_(self, subject: str, *roles: Role) -> Self:
        """The same tenant, another caller: an architect when no role is given."""
        metadata = self.suite.auth(self.tenant, subject, roles or (Role.ARCHITECT,))
        return type(self)(self.suite, metadata, self.tenant)

    async def add(self, *texts: str, **values: Any) -> pb.KnowledgeItem:
        request = pb.CreateKnowledgeItemRequest(knowledge_item=draft(*texts, **values))
        return await self.suite.knowledge.CreateKnowledgeItem(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.KnowledgeItem:
        request = pb.GetKnowledgeItemRequest(name=name)
        return await self.suite.knowledge.GetKnowledgeItem(request, metadata=self.metadata)

    async def page(self, **values: Any) -> pb.ListKnowledgeItemsResponse:
        request = pb.ListKnowledgeItemsRequest(**values)
        return await self.suite.knowledge.ListKnowledgeItems(request, metadata=self.metadata)

    async def update(self, name: str, paths: Sequence[str] = (), **values: Any) -> pb.KnowledgeItem:
        request = pb.UpdateKnowledgeItemRequest(
            knowledge_item=pb.KnowledgeItem(name=name, **values),
            update_mask=field_mask_pb2.FieldMask(paths=paths),
        )
        return await self.suite.knowledge.UpdateKnowledgeItem(request, metadata=self.metadata)

    async def propose(self, name: str, **values: Any) -> pb.KnowledgeItem:
        request = pb.ProposeKnowledgeItemRequest(name=name, **values)
        return await self.suite.knowledge.ProposeKnowledgeItem(request, metadata=self.metadata)

    async def accept(self, name: str, **values: Any) -> pb.KnowledgeItem:
        request = pb.AcceptKnowledgeItemRequest(name=name, **values)
        return await self.suite.knowledge.AcceptKnowledgeItem(request, metadata=self.metadata)

    async def reject(self, name: str, **values: Any) -> pb.KnowledgeItem:
        request = pb.RejectKnowledgeItemRequest(name=name, **values)
        return await self.suite.knowledge.RejectKnowledgeItem(request, metadata=self.metadata)

    async def deprecate(self, name: str, **values: Any) -> pb.KnowledgeItem:
        request = pb.DeprecateKnowledgeItemRequest(name=name, **values)
        return await self.suite.knowledge.DeprecateKnowledgeItem(request, metadata=self.metadata)

    async def in_force(self, *texts: str, **values: Any) -> pb.KnowledgeItem:
        """An item that this caller wrote and proposed and somebody else accepted."""
        item = await self.add(*texts, **values)
        await self.propose(item.name)
        return await self.as_("reviewer").accept(item.name)

    async def search(self, query: str, **values: Any) -> list[str]:
        """The titles of what is found."""
        request = pb.SearchKnowledgeItemsRequest(query=query, **values)
        found = await self.suite.knowledge.SearchKnowledgeItems(request, metadata=self.metadata)
        return [result.knowledge_item.title for result in found.results]

    async def history(self, name: str, **values: Any) -> pb.ListKnowledgeItemRevisionsResponse:
        request = pb.ListKnowledgeItemRevisionsRequest(name=name, **values)
        call = self.suite.knowledge.ListKnowledgeItemRevisions
        return await call(request, metadata=self.metadata)

    async def link(
        self, source: str, target: str, kind: pb.RelationKind.ValueType, request_id: str = ""
    ) -> pb.Relation:
        relation = pb.Relation(source=source, target=target, kind=kind)
        request = pb.CreateRelationRequest(relation=relation, request_id=request_id)
        return await self.suite.knowledge.CreateRelation(request, metadata=self.metadata)

    async def unlink(self, name: str, request_id: str = "") -> None:
        request = pb.DeleteRelationRequest(name=name, request_id=request_id)
        await self.suite.knowledge.DeleteRelation(request, metadata=self.metadata)

    async def links(self, name: str, **values: Any) -> pb.ListRelationsResponse:
        request = pb.ListRelationsRequest(knowledge_item=name, **values)
        return await self.suite.knowledge.ListRelations(request, metadata=self.metadata)
