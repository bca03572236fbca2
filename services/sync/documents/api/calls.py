"""The methods of DocumentService, for whoever brings a request and its caller: gRPC calls and live
connections alike. Translates, nothing else."""

from typing import Any
from uuid import UUID

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from aeterna.sync.v1 import documents_pb2 as pb
from libs.aip.names import resource_uuid
from libs.aip.paging import Page, fitting, page_size
from libs.changes import Asked
from libs.encryption.keyring import Keyring
from libs.service.caller import Caller
from libs.service.convert import asked
from services.sync.documents.access import Access
from services.sync.documents.api.messages import (
    change_from,
    document_to,
    edit_size,
    edit_to,
    listed_to,
    new_from,
    revision_to,
)
from services.sync.documents.domain.document import COLLECTION, Origin
from services.sync.documents.operations import DocumentOperations
from services.sync.documents.ports import Credentials
from services.sync.documents.saving import Save

_EDITS = 100  # of a page, unless told
_NEWEST = 2**62


class DocumentCalls:
    """Every method, each for a caller who was admitted to its action."""

    def __init__(
        self, operations: DocumentOperations, save: Save, access: Access, keyring: Keyring
    ) -> None:
        self._do, self._save, self._access, self._keyring = operations, save, access, keyring

    async def create(self, current: Caller, request: pb.CreateDocumentRequest) -> pb.Document:
        """CreateDocument."""
        new = self._do.begun(new_from(request.document), current.identity.subject)
        current.demand("CreateDocument", new.document.place(current.tenant))
        by = await self._asked(current, "CreateDocument", request)
        return document_to(await self._do.create(current.route, by, new))

    async def get(self, current: Caller, request: pb.GetDocumentRequest) -> pb.Document:
        """GetDocument."""
        document = resource_uuid(request.name, COLLECTION)
        version = request.version if request.HasField("version") else None
        await self._access.demand(current, "GetDocument", document)
        return document_to(await self._do.get(current.route, document, version))

    async def list(
        self, current: Caller, request: pb.ListDocumentsRequest
    ) -> pb.ListDocumentsResponse:
        """ListDocuments."""
        where = await self._access.seen(current, "ListDocuments")
        binding = f"ListDocuments/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        documents = self._do.documents
        found = await documents.page(current.route, where, page.after_id(), page.limit)
        listed = [(document, listed_to(document, fields)) for document, fields in found]
        shown, token = page.cut(listed, lambda each: each[0].id, lambda each: each[1].ByteSize())
        return pb.ListDocumentsResponse(
            documents=[message for _, message in shown], next_page_token=token
        )

    async def delete(self, current: Caller, request: pb.DeleteDocumentRequest) -> empty_pb2.Empty:
        """DeleteDocument."""
        document, by = await self._changing(current, "DeleteDocument", request)
        await self._do.delete(current.route, by, document)
        return empty_pb2.Empty()

    async def edit(self, current: Caller, request: pb.EditDocumentRequest) -> pb.DocumentEdit:
        """EditDocument."""
        change, person = change_from(request), current.identity.subject
        document, by = await self._changing(current, "EditDocument", request)
        return edit_to(await self._do.edit(current.route, by, document, change, person))

    async def undo(self, current: Caller, request: pb.UndoDocumentEditRequest) -> pb.DocumentEdit:
        """UndoDocumentEdit."""
        return await self._take_back(current, Origin.UNDO, "UndoDocumentEdit", request)

    async def redo(self, current: Caller, request: pb.RedoDocumentEditRequest) -> pb.DocumentEdit:
        """RedoDocumentEdit."""
        return await self._take_back(current, Origin.REDO, "RedoDocumentEdit", request)

    async def restore(self, current: Caller, request: pb.RestoreDocumentRequest) -> pb.DocumentEdit:
        """RestoreDocument."""
        person = current.identity.subject
        document, by = await self._changing(current, "RestoreDocument", request)
        version = request.version
        return edit_to(await self._do.restore(current.route, by, document, version, person))

    async def save(self, current: Caller, request: pb.SaveDocumentRequest) -> pb.Document:
        """SaveDocument: what is repeated is done again, and leads to the same."""
        document = resource_uuid(request.name, COLLECTION)
        await self._access.demand(current, "SaveDocument", document)
        by = await self._asked(current, "SaveDocument", request)
        credentials = Credentials(current.identity.token, current.tenant)
        return document_to(await self._save(current.route, by.origin, document, credentials))

    async def edits(
        self, current: Caller, request: pb.ListDocumentEditsRequest
    ) -> pb.ListDocumentEditsResponse:
        """ListDocumentEdits."""
        document = resource_uuid(request.name, COLLECTION)
        limit = page_size(request.page_size, default=_EDITS)
        await self._access.demand(current, "GetDocument", document)
        documents, since = self._do.documents, request.since_version
        edits, version = await documents.edits(current.route, document, since, limit)
        shown = fitting(edits, edit_size)
        return pb.ListDocumentEditsResponse(edits=map(edit_to, shown), version=version)

    async def revisions(
        self, current: Caller, request: pb.ListDocumentRevisionsRequest
    ) -> pb.ListDocumentRevisionsResponse:
        """ListDocumentRevisions."""
        document = resource_uuid(request.name, COLLECTION)
        binding = f"ListDocumentRevisions/{current.tenant}/{request.name}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        before = page.after_number() or _NEWEST
        await self._access.demand(current, "GetDocument", document)
        found = await self._do.revisions(current.route, document, before, page.limit)
        shown, token = page.cut(found, lambda each: each.base)
        return pb.ListDocumentRevisionsResponse(
            revisions=map(revision_to, shown), next_page_token=token
        )

    async def _take_back(
        self, current: Caller, origin: Origin, method: str, request: Message
    ) -> pb.DocumentEdit:
        document, by = await self._changing(current, method, request)
        person = current.identity.subject
        return edit_to(await self._do.take_back(current.route, by, document, origin, person))

    async def _changing(self, current: Caller, method: str, request: Any) -> tuple[UUID, Asked]:
        """The document that a request is to change, and by whom, once that is allowed."""
        document = resource_uuid(request.name, COLLECTION)
        action = method if method == "DeleteDocument" else "EditDocument"
        await self._access.demand(current, action, document)
        return document, await self._asked(current, method, request)

    async def _asked(self, current: Caller, method: str, request: Message) -> Asked:
        return await asked(current, self._keyring, method, request)
