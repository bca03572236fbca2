"""Rows of documents, edits and snapshots, and what is sealed in them: JSON."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs.encryption.keyring import Sealed
from libs.encryption.registry import DOCUMENT_EDIT, DOCUMENT_FIELDS, DOCUMENT_SNAPSHOT
from libs.ot.clocks import Fields, Time, Written
from libs.scope import Scope
from services.sync.documents.domain.document import (
    PLACE_IDS,
    Document,
    Edit,
    Kind,
    Origin,
    edit_id,
    snapshot_id,
)

# What a statement selects, behind a prefix: names of an edit's columns where documents are joined.
DOCUMENT = """d.id, d.kind, d.org_id, d.team_id, d.project_id, d.author, d.created_at, d.updated_at,
    d.version, d.oldest_version, d.number, d.item, d.saved_version, d.saving_version,
    d.edits_since"""
EDIT = """e.document_id, e.version AS edit_version, e.number AS edit_number, e.person, e.edited_at,
    e.origin, e.takes_back, e.request_id, e.content"""


def document_from(row: asyncpg.Record) -> Document:
    """A document of a row with DOCUMENT."""
    return Document(
        id=row["id"],
        kind=Kind(row["kind"]),
        scope=Scope(**{name: row[name] for name in PLACE_IDS}),
        author=row["author"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        oldest_version=row["oldest_version"],
        number=row["number"],
        item=row["item"],
        saved_version=row["saved_version"],
        saving_version=row["saving_version"],
        edits_since=row["edits_since"],
    )


def inserted(document: Document) -> tuple[object, ...]:
    """The values of a new row, without its fields."""
    return (
        document.id,
        document.kind.value,
        document.layer,
        *(getattr(document.scope, name) for name in PLACE_IDS),
        document.author,
        document.created_at,
        *changed(document)[1:],
    )


def changed(document: Document) -> tuple[object, ...]:
    """The values of a row that may change, its id first."""
    return (
        document.id,
        document.updated_at,
        document.version,
        document.oldest_version,
        document.number,
        document.item,
        document.saved_version,
        document.saving_version,
        document.edits_since,
    )


def edit_values(document: UUID, edit: Edit) -> tuple[object, ...]:
    """The values of a row of an edit, without what is sealed."""
    return (
        document,
        edit.version,
        edit_id(document, edit.version),
        edit.number,
        edit.person,
        edit.at,
        edit.origin.value,
        edit.takes_back,
        edit.request_id,
        edit.inserted_count,
        edit.deleted_count,
    )


def sealed_edit(row: asyncpg.Record) -> Sealed:
    """What is sealed in a row with EDIT; bound to its version."""
    place = edit_id(row["document_id"], row["edit_version"])
    return Sealed(DOCUMENT_EDIT, place, row["content"])


def sealed_snapshot(row: asyncpg.Record) -> Sealed:
    """What is sealed in a snapshot; bound to its version."""
    return Sealed(
        DOCUMENT_SNAPSHOT, snapshot_id(row["id"], row["snapshot_version"]), row["snapshot"]
    )


def sealed_fields(row: asyncpg.Record) -> Sealed:
    """The fields of a document."""
    return Sealed(DOCUMENT_FIELDS, row["id"], row["fields"])


def edit_from(row: asyncpg.Record, content: bytes) -> Edit:
    """An edit of a row with EDIT, opened."""
    opened = json.loads(content)
    return Edit(
        version=row["edit_version"],
        operation=tuple(opened["o"]),
        deleted=tuple(opened["d"]),
        fields=_fields(opened["f"]),
        person=row["person"],
        at=row["edited_at"],
        origin=Origin(row["origin"]),
        takes_back=row["takes_back"],
        request_id=row["request_id"],
        number=row["edit_number"],
    )


def edit_content(edit: Edit) -> bytes:
    """What is sealed of an edit."""
    return _json({"o": edit.operation, "d": edit.deleted, "f": _listed(edit.fields)})


def snapshot_from(content: bytes) -> tuple[str, Fields]:
    """Text and fields of a snapshot, opened."""
    opened = json.loads(content)
    return opened["text"], _fields(opened["fields"])


def snapshot_content(text: str, fields: Fields) -> bytes:
    """What is sealed of a snapshot."""
    return _json({"text": text, "fields": _listed(fields)})


def fields_from(content: bytes) -> Fields:
    """The fields of a document, opened."""
    return _fields(json.loads(content))


def fields_content(fields: Fields) -> bytes:
    """What is sealed of fields."""
    return _json(_listed(fields))


def _fields(values: Mapping[str, Any]) -> Fields:
    return {
        name: Written(value, Time(milliseconds, counter))
        for name, (value, milliseconds, counter) in values.items()
    }


def _listed(fields: Fields) -> dict[str, Any]:
    return {name: [each.value, *each.time] for name, each in fields.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
