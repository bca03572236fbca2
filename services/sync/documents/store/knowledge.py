"""The knowledge service, called in the name of whoever saves a document."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc

from aeterna.knowledge.v1 import knowledge_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2_grpc as pb_grpc
from libs.clients import ClientError, client_errors, open_channel
from libs.clients.outgoing import TENANT_HEADER
from libs.errors import AppError, Kind
from libs.service.convert import scope_to
from services.sync.documents.domain.drafts import Draft
from services.sync.documents.errors import KnowledgeUnavailable, SavingNotConfigured
from services.sync.documents.ports import Credentials, Item
from services.sync.documents.settings import KnowledgeSettings

_ITEMS = "knowledgeItems"
_TOKEN: ContextVar[str] = ContextVar("token")
_KINDS = {
    grpc.StatusCode.INVALID_ARGUMENT: Kind.INVALID,
    grpc.StatusCode.UNAUTHENTICATED: Kind.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Kind.DENIED,
    grpc.StatusCode.NOT_FOUND: Kind.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: Kind.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED: Kind.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: Kind.PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Kind.EXHAUSTED,
}


@dataclass(frozen=True)
class GrpcKnowledge:
    """`Knowledge` over a channel."""

    stub: pb_grpc.KnowledgeServiceAsyncStub

    async def get(self, by: Credentials, item: UUID) -> Item:
        """See `Knowledge`."""
        request = pb.GetKnowledgeItemRequest(name=f"{_ITEMS}/{item}")
        with _as(by) as metadata:
            found = await self.stub.GetKnowledgeItem(request, metadata=metadata)
        is_draft = found.status == pb.KNOWLEDGE_STATUS_DRAFT
        return Item(item, found.version, is_draft, found.title, found.content)

    async def create(self, by: Credentials, request_id: UUID, draft: Draft) -> UUID:
        """See `Knowledge`."""
        item = pb.KnowledgeItem(
            kind=pb.KnowledgeKind.Value(f"KNOWLEDGE_KIND_{draft.kind.upper()}"),
            layer=pb.KnowledgeLayer.Value(f"KNOWLEDGE_LAYER_{draft.layer.upper()}"),
            scope=scope_to(draft.scope),
            title=draft.title,
            content=draft.content,
        )
        request = pb.CreateKnowledgeItemRequest(knowledge_item=item, request_id=str(request_id))
        with _as(by) as metadata:
            made = await self.stub.CreateKnowledgeItem(request, metadata=metadata)
        return UUID(made.name.partition("/")[2])

    async def update(self, by: Credentials, request_id: UUID, item: Item, draft: Draft) -> None:
        """See `Knowledge`."""
        changed = pb.KnowledgeItem(
            name=f"{_ITEMS}/{item.id}",
            title=draft.title,
            content=draft.content,
            version=item.version,
        )
        request = pb.UpdateKnowledgeItemRequest(knowledge_item=changed, request_id=str(request_id))
        request.update_mask.paths.extend(["title", "content"])
        with _as(by) as metadata:
            await self.stub.UpdateKnowledgeItem(request, metadata=metadata)

    async def supersede(self, by: Credentials, request_id: UUID, new: UUID, old: UUID) -> None:
        """See `Knowledge`."""
        relation = pb.Relation(
            source=f"{_ITEMS}/{new}",
            target=f"{_ITEMS}/{old}",
            kind=pb.RELATION_KIND_SUPERSEDES,
        )
        request = pb.CreateRelationRequest(relation=relation, request_id=str(request_id))
        try:
            with _as(by) as metadata:
                await self.stub.CreateRelation(request, metadata=metadata)
        except AppError as error:
            if error.kind is not Kind.ALREADY_EXISTS:
                raise


class NoKnowledge:
    """`Knowledge` of a deployment that does not say where the service is."""

    async def get(self, by: Credentials, item: UUID) -> Item:
        """See `Knowledge`."""
        raise SavingNotConfigured

    async def create(self, by: Credentials, request_id: UUID, draft: Draft) -> UUID:
        """See `Knowledge`."""
        raise SavingNotConfigured

    async def update(self, by: Credentials, request_id: UUID, item: Item, draft: Draft) -> None:
        """See `Knowledge`."""
        raise SavingNotConfigured

    async def supersede(self, by: Credentials, request_id: UUID, new: UUID, old: UUID) -> None:
        """See `Knowledge`."""
        raise SavingNotConfigured


@asynccontextmanager
async def open_knowledge(
    settings: KnowledgeSettings | None,
) -> AsyncIterator[GrpcKnowledge | NoKnowledge]:
    """The service where the settings say; connections are made when they are first needed."""
    if settings is None:
        yield NoKnowledge()
        return
    async with open_channel(settings.address, _TOKEN.get, tls=settings.tls) as channel:
        yield GrpcKnowledge(pb_grpc.KnowledgeServiceStub(channel))


@contextmanager
def _as(by: Credentials) -> Iterator[tuple[tuple[str, str], ...]]:
    """Calls in the block are made by somebody; what is refused is refused to them."""
    known = _TOKEN.set(by.token)
    try:
        with client_errors():
            yield ((TENANT_HEADER, by.tenant),)
    except ClientError as error:
        raise _refused(error) from error
    finally:
        _TOKEN.reset(known)


def _refused(error: ClientError) -> AppError:
    """The same error, of this service."""
    found: Any = _KINDS.get(error.code)
    if found is None or not error.reason:
        return KnowledgeUnavailable()

    class Refused(AppError):
        """What the knowledge service has refused."""

        kind, reason = found, error.reason

    return Refused(str(error), **error.metadata)
