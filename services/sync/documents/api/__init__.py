"""gRPC servicer of documents, and documents as live connections ask for them."""

from google.protobuf import empty_pb2

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import documents_pb2_grpc as pb_grpc
from libs.service.caller import caller
from libs.service.pipeline import Context
from services.sync.documents.api.calls import DocumentCalls


class DocumentServicer(pb_grpc.DocumentServiceServicer):
    """`aeterna.sync.v1.DocumentService` over the calls."""

    def __init__(self, calls: DocumentCalls) -> None:
        self._calls = calls

    async def CreateDocument(
        self, request: pb.CreateDocumentRequest, context: Context
    ) -> pb.Document:
        return await self._calls.create(caller(), request)

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Context) -> pb.Document:
        return await self._calls.get(caller(), request)

    async def ListDocuments(
        self, request: pb.ListDocumentsRequest, context: Context
    ) -> pb.ListDocumentsResponse:
        return await self._calls.list(caller(), request)

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, context: Context
    ) -> empty_pb2.Empty:
        return await self._calls.delete(caller(), request)

    async def EditDocument(
        self, request: pb.EditDocumentRequest, context: Context
    ) -> pb.DocumentEdit:
        return await self._calls.edit(caller(), request)

    async def UndoDocumentEdit(
        self, request: pb.UndoDocumentEditRequest, context: Context
    ) -> pb.DocumentEdit:
        return await self._calls.undo(caller(), request)

    async def RedoDocumentEdit(
        self, request: pb.RedoDocumentEditRequest, context: Context
    ) -> pb.DocumentEdit:
        return await self._calls.redo(caller(), request)

    async def ListDocumentEdits(
        self, request: pb.ListDocumentEditsRequest, context: Context
    ) -> pb.ListDocumentEditsResponse:
        return await self._calls.edits(caller(), request)

    async def ListDocumentRevisions(
        self, request: pb.ListDocumentRevisionsRequest, context: Context
    ) -> pb.ListDocumentRevisionsResponse:
        return await self._calls.revisions(caller(), request)

    async def RestoreDocument(
        self, request: pb.RestoreDocumentRequest, context: Context
    ) -> pb.DocumentEdit:
        return await self._calls.restore(caller(), request)

    async def SaveDocument(self, request: pb.SaveDocumentRequest, context: Context) -> pb.Document:
        return await self._calls.save(caller(), request)
