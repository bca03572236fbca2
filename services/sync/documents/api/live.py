"""Documents as live connections ask for them: `services.sync.live.ports.Documents`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from aeterna.sync.v1 import documents_pb2 as pb
from libs.aip.names import resource_uuid
from libs.service.caller import Caller
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory
from services.sync.documents.api.calls import DocumentCalls
from services.sync.documents.api.messages import edit_to
from services.sync.documents.domain.document import COLLECTION
from services.sync.documents.ports import Documents

_Call = Callable[[Caller, Any], Awaitable[Message]]


class LiveDocuments:
    """The calls by the types of their requests, and the edits that changes are."""

    def __init__(self, calls: DocumentCalls, documents: Documents, directory: Directory) -> None:
        self._documents, self._directory = documents, directory
        self._calls: dict[type[Message], tuple[str, _Call]] = {
            pb.CreateDocumentRequest: ("CreateDocument", calls.create),
            pb.GetDocumentRequest: ("GetDocument", calls.get),
            pb.ListDocumentsRequest: ("ListDocuments", calls.list),
            pb.DeleteDocumentRequest: ("DeleteDocument", calls.delete),
            pb.EditDocumentRequest: ("EditDocument", calls.edit),
            pb.UndoDocumentEditRequest: ("EditDocument", calls.undo),
            pb.RedoDocumentEditRequest: ("EditDocument", calls.redo),
            pb.ListDocumentEditsRequest: ("GetDocument", calls.edits),
            pb.ListDocumentRevisionsRequest: ("GetDocument", calls.revisions),
            pb.RestoreDocumentRequest: ("EditDocument", calls.restore),
            pb.SaveDocumentRequest: ("SaveDocument", calls.save),
        }

    async def answer(self, caller: Caller, message: Message) -> Message:
        """See `Documents`."""
        action, call = self._calls[type(message)]
        caller.admit(action)
        return await call(caller, message)

    async def edits(
        self, tenant: TenantId, document: str, numbers: Sequence[int]
    ) -> Mapping[int, Message]:
        """See `Documents`."""
        route = await self._directory.route(tenant)
        identity = resource_uuid(document, COLLECTION)
        found = await self._documents.edits_of(route, identity, numbers)
        return {each.number: edit_to(each) for each in found}
