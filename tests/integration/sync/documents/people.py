"""People who write documents through the suite."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import documents_pb2_grpc as pb_grpc
from libs.ot.clocks import Time, Written
from libs.ot.operations import Operation, apply
from tests.suite import Metadata, Suite

TENANT = "acme"


def operation(parts: Sequence[int | str]) -> pb.TextOperation:
    """A message of parts: kept, inserted, deleted (negative)."""
    message = pb.TextOperation()
    for part in parts:
        if isinstance(part, str):
            message.parts.add(insert=part)
        elif part > 0:
            message.parts.add(retain=part)
        elif part < 0:
            message.parts.add(delete=-part)
    return message


def parts(message: pb.TextOperation) -> Operation:
    """And back."""
    found: list[int | str] = []
    for part in message.parts:
        kind = part.WhichOneof("part")
        value = getattr(part, str(kind))
        found.append(-value if kind == "delete" else value)
    return tuple(found)


def fields(**written: Written) -> dict[str, pb.FieldEdit]:
    """Messages of fields."""
    return {
        name: pb.FieldEdit(value=each.value, time=each.time.milliseconds, counter=each.time.counter)
        for name, each in written.items()
    }


def at(value: str | None, milliseconds: int, counter: int = 0) -> Written:
    """A value as it was written at a time."""
    return Written(value, Time(milliseconds, counter))


def replayed(text: str, edits: Sequence[pb.DocumentEdit]) -> str:
    """A text after edits."""
    for edit in edits:
        text = apply(text, parts(edit.operation))
    return text


@dataclass(frozen=True)
class Person:
    """Somebody, at one replica."""

    stub: pb_grpc.DocumentServiceAsyncStub
    metadata: Metadata

    @classmethod
    def of(cls, suite: Suite, subject: str = "ann", tenant: str = TENANT) -> Person:
        """An administrator of a tenant."""
        return cls(suite.documents, suite.auth(tenant, subject))

    async def create(self, text: str = "", **given: str) -> pb.Document:
        """A new note."""
        document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, text=text, fields=given)
        request = pb.CreateDocumentRequest(document=document, request_id=str(uuid4()))
        return await self.stub.CreateDocument(request, metadata=self.metadata)

    async def get(self, name: str, version: int | None = None) -> pb.Document:
        """The document, now or then."""
        request = pb.GetDocumentRequest(name=name, version=version)
        return await self.stub.GetDocument(request, metadata=self.metadata)

    async def edit(
        self,
        name: str,
        base: int,
        *what: int | str,
        written: dict[str, pb.FieldEdit] | None = None,
        request_id: str = "",
    ) -> pb.DocumentEdit:
        """Changes text, fields, or both."""
        request = pb.EditDocumentRequest(
            name=name,
            base_version=base,
            operation=operation(what),
            fields=written,
            request_id=request_id or str(uuid4()),
        )
        return await self.stub.EditDocument(request, metadata=self.metadata)

    async def undo(self, name: str, request_id: str = "") -> pb.DocumentEdit:
        """Takes the own last edit back."""
        request = pb.UndoDocumentEditRequest(name=name, request_id=request_id or str(uuid4()))
        return await self.stub.UndoDocumentEdit(request, metadata=self.metadata)

    async def redo(self, name: str) -> pb.DocumentEdit:
        """Makes it again."""
        request = pb.RedoDocumentEditRequest(name=name, request_id=str(uuid4()))
        return await self.stub.RedoDocumentEdit(request, metadata=self.metadata)

    async def restore(self, name: str, version: int) -> pb.DocumentEdit:
        """Makes the text what it was."""
        request = pb.RestoreDocumentRequest(name=name, version=version)
        return await self.stub.RestoreDocument(request, metadata=self.metadata)

    async def delete(self, name: str, request_id: str = "") -> None:
        """Ends it."""
        request = pb.DeleteDocumentRequest(name=name, request_id=request_id or str(uuid4()))
        await self.stub.DeleteDocument(request, metadata=self.metadata)

    async def save(self, name: str) -> pb.Document:
        """Writes it into knowledge."""
        request = pb.SaveDocumentRequest(name=name)
        return await self.stub.SaveDocument(request, metadata=self.metadata)

    async def edits(self, name: str, since: int = 0, size: int = 1000) -> list[pb.DocumentEdit]:
        """Every edit after a version."""
        found: list[pb.DocumentEdit] = []
        while True:
            request = pb.ListDocumentEditsRequest(name=name, since_version=since, page_size=size)
            page = await self.stub.ListDocumentEdits(request, metadata=self.metadata)
            found += page.edits
            since = found[-1].version if found else since
            if since == page.version:
                return found

    async def revisions(self, name: str, size: int = 50) -> list[pb.DocumentRevision]:
        """Who changed it when."""
        found: list[pb.DocumentRevision] = []
        token = ""
        while True:
            request = pb.ListDocumentRevisionsRequest(name=name, page_size=size, page_token=token)
            page = await self.stub.ListDocumentRevisions(request, metadata=self.metadata)
            found += page.revisions
            token = page.next_page_token
            if not token:
                return found
