"""What the sync service knows of a person: documents that they began, what they wrote in any."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.encryption.keyring import Keyring
from libs.exports import Page
from libs.ot.clocks import values
from libs.scope import SCOPE_IDS
from libs.spine import read
from libs.tenancy import Route
from services.sync.documents.domain.document import COLLECTION, Edit, State
from services.sync.documents.ports import Documents
from services.sync.documents.store.reading import MOST_OPENED
from services.sync.documents.store.rows import EDIT, edit_from, sealed_edit

_DOCUMENTS, _EDITS = 20, 500  # on a page
_OWN = """
    SELECT id FROM aeterna.shared_document
    WHERE tenant_id = $1 AND author = $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4
"""
_WRITTEN = f"""
    SELECT p.* FROM (
        SELECT {EDIT}, row_number() OVER o AS place, sum(octet_length(e.content)) OVER o AS bytes
        FROM aeterna.shared_document_edit AS e
        WHERE e.tenant_id = $1 AND e.person = $2
            AND (e.document_id, e.version) > ($3::uuid, $4::bigint)
        WINDOW o AS (ORDER BY e.document_id, e.version)
        ORDER BY e.document_id, e.version LIMIT $5
    ) AS p WHERE p.bytes <= $6::bigint OR p.place = 1 ORDER BY p.place
"""


@dataclass(frozen=True)
class OwnDocuments:
    """`Source` of documents.ndjson: those that the person began, as they are."""

    documents: Documents
    file: str = "documents.ndjson"

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        rows = await read(route, _OWN, subject, UUID(after) if after else None, _DOCUMENTS)
        states = [await self.documents.newest(route, row["id"]) for row in rows]
        last = str(rows[-1]["id"]) if len(rows) == _DOCUMENTS else ""
        return Page([_document(each) for each in states], last)


@dataclass(frozen=True)
class OwnEdits:
    """`Source` of document-edits.ndjson: what the person wrote, as far as it is kept."""

    keyring: Keyring
    file: str = "document-edits.ndjson"

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        document, _, version = after.partition("/")
        first = UUID(document) if document else UUID(int=0)
        values = (subject, first, int(version or 0), _EDITS, MOST_OPENED)
        rows = await read(route, _WRITTEN, *values)
        contents = await self.keyring.open(route, [sealed_edit(row) for row in rows])
        lines = [
            _edit(row["document_id"], edit_from(row, content))
            for row, content in zip(rows, contents, strict=True)
        ]
        last = f"{rows[-1]['document_id']}/{rows[-1]['edit_version']}" if rows else ""
        return Page(lines, last)


def _document(state: State) -> bytes:
    document = state.document
    return _line(
        {
            "name": f"{COLLECTION}/{document.id}",
            "kind": document.kind.value,
            "scope": document.scope.restrict(SCOPE_IDS),
            "author": document.author,
            "version": document.version,
            "createTime": document.created_at.isoformat(),
            "updateTime": document.updated_at.isoformat(),
            "fields": values(state.fields),
            "text": state.text,
        }
    )


def _edit(document: UUID, edit: Edit) -> bytes:
    return _line(
        {
            "document": f"{COLLECTION}/{document}",
            "version": edit.version,
            "origin": edit.origin.value,
            "editTime": edit.at.isoformat(),
            "inserted": _inserted(edit),
            "deleted": edit.deleted_count,
            "fields": values(edit.fields),
        }
    )


def _inserted(edit: Edit) -> Sequence[str]:
    return [part for part in edit.operation if isinstance(part, str)]


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
