"""Between the contract's messages and documents, both ways."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aeterna.sync.v1 import documents_pb2 as pb
from libs.errors import FieldViolation, InvalidRequest, invalid
from libs.ot.clocks import Fields, Time, Written, latest, values
from libs.ot.operations import NOTHING, Operation, normal
from libs.scope import SCOPE_IDS, Scope
from libs.service.convert import enum_from, scope_from, scope_to, timestamp
from services.sync.documents.domain.document import (
    COLLECTION,
    PLACE_IDS,
    Document,
    Edit,
    Kind,
    State,
)
from services.sync.documents.domain.revisions import Revision
from services.sync.documents.operations import Change, New

ITEMS = "knowledgeItems"
_KINDS: dict[int, Kind] = {
    pb.DocumentKind.Value(f"DOCUMENT_KIND_{each.name}"): each for each in Kind
}


def new_from(message: pb.Document) -> New:
    """What a client wants to create.

    Raises:
        InvalidRequest: Its kind is missing, or its place is no place of knowledge.
    """
    kind = enum_from(_KINDS, message.kind, "document.kind")
    scope = scope_from(message.scope)
    _check_place(scope)
    return New(kind, scope, message.text, dict(message.fields))


def change_from(message: pb.EditDocumentRequest) -> Change:
    """An edit as its client made it.

    Raises:
        InvalidRequest: It changes nothing.
    """
    operation = operation_from(message.operation)
    fields = _fields_from(message.fields)
    if operation == NOTHING and not fields:
        raise invalid("operation", "changes nothing, and there are no fields")
    return Change(message.base_version, operation, fields)


def operation_from(message: pb.TextOperation) -> Operation:
    """In normal form."""
    return normal(map(_part_from, message.parts))


def operation_to(operation: Operation) -> pb.TextOperation:
    """The message of an operation."""
    return pb.TextOperation(parts=map(_part_to, operation))


def document_to(state: State) -> pb.Document:
    """The message of a document with its text."""
    message = listed_to(state.document, state.fields)
    message.text = state.text
    return message


def listed_to(document: Document, fields: Fields) -> pb.Document:
    """The message of a document without its text."""
    written = latest(fields)
    return pb.Document(
        name=f"{COLLECTION}/{document.id}",
        kind=pb.DocumentKind.Value(f"DOCUMENT_KIND_{document.kind.name}"),
        scope=scope_to(document.scope),
        fields=values(fields),
        fields_time=written.milliseconds,
        fields_counter=written.counter,
        version=document.version,
        oldest_version=document.oldest_version,
        knowledge_item=f"{ITEMS}/{document.item}" if document.item else "",
        saved_version=document.saved_version,
        author=document.author,
        create_time=timestamp(document.created_at),
        update_time=timestamp(document.updated_at),
    )


def edit_to(edit: Edit) -> pb.DocumentEdit:
    """The message of an edit as it was taken."""
    return pb.DocumentEdit(
        version=edit.version,
        operation=operation_to(edit.operation),
        fields={name: _field_to(each) for name, each in edit.fields.items()},
        author=edit.person,
        request_id=str(edit.request_id or ""),
        origin=pb.DocumentEdit.Origin.Value(f"ORIGIN_{edit.origin.name}"),
        edit_time=timestamp(edit.at),
        number=edit.number,
    )


def edit_size(edit: Edit) -> int:
    """Bytes of an edit in an answer, roughly."""
    return 100 + sum(4 * len(part) if isinstance(part, str) else 8 for part in edit.operation)


def revision_to(revision: Revision) -> pb.DocumentRevision:
    """The message of a revision."""
    return pb.DocumentRevision(
        version=revision.version,
        base_version=revision.base,
        author=revision.person,
        edit_time=timestamp(revision.ended_at),
        inserted=revision.inserted,
        deleted=revision.deleted,
    )


def document_id(document: UUID) -> str:
    """The name of a document."""
    return f"{COLLECTION}/{document}"


def _check_place(scope: Scope) -> None:
    private = scope.restrict(tuple(name for name in SCOPE_IDS if name not in PLACE_IDS))
    if private:
        raise InvalidRequest(
            [
                FieldViolation(f"document.scope.{name}", "must be empty for a document")
                for name in private
            ]
        )


def _part_from(message: pb.TextOperation.Part) -> int | str:
    match message.WhichOneof("part"):
        case "retain":
            return message.retain
        case "delete":
            return -message.delete
    return message.insert


def _part_to(part: int | str) -> pb.TextOperation.Part:
    if isinstance(part, str):
        return pb.TextOperation.Part(insert=part)
    return pb.TextOperation.Part(retain=part) if part > 0 else pb.TextOperation.Part(delete=-part)


def _fields_from(messages: Mapping[str, Any]) -> Fields:
    return {name: _field_from(message) for name, message in messages.items()}


def _field_from(message: pb.FieldEdit) -> Written:
    value = message.value if message.HasField("value") else None
    return Written(value, Time(message.time, message.counter))


def _field_to(field: Written) -> pb.FieldEdit:
    return pb.FieldEdit(value=field.value, time=field.time.milliseconds, counter=field.time.counter)
