"""Lists of documents and of revisions, without texts."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from libs.aip.filtering import Condition, to_sql
from libs.encryption.keyring import Keyring
from libs.ot.clocks import Fields
from libs.spine import read
from libs.tenancy import Route
from services.sync.documents.domain.document import Document
from services.sync.documents.domain.revisions import Revision
from services.sync.documents.store.rows import DOCUMENT, document_from, fields_from, sealed_fields

_REVISIONS = """
    SELECT version, person, edited_at, inserted, deleted FROM aeterna.shared_document_edit
    WHERE tenant_id = $1 AND document_id = $2 AND version <= $3 ORDER BY version DESC LIMIT $4
"""
_LIST = f"""
    SELECT {DOCUMENT}, d.fields FROM aeterna.shared_document AS d
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_PLACES = "SELECT DISTINCT {columns} FROM aeterna.shared_document WHERE tenant_id = $1 LIMIT $2"


class Listing:
    """The lists of `Documents`; see there."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    async def revisions(
        self, route: Route, document: UUID, before: int, limit: int
    ) -> Sequence[Revision]:
        """See `Documents`."""
        rows = await read(route, _REVISIONS, document, before, limit)
        return [_revision(row) for row in rows]

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> Sequence[tuple[Document, Fields]]:
        """See `Documents`."""
        conditions, values = to_sql(where, 4)
        rows = await read(route, _LIST.format(where=conditions), before, limit, *values)
        contents = await self.keyring.open(route, [sealed_fields(row) for row in rows])
        return [
            (document_from(row), fields_from(content))
            for row, content in zip(rows, contents, strict=True)
        ]

    async def places(
        self, route: Route, columns: Sequence[str], most: int
    ) -> list[tuple[str, ...]]:
        """See `Documents`."""
        sql = _PLACES.format(columns=", ".join(columns))
        return [tuple(row.values()) for row in await read(route, sql, most + 1)]


def _revision(row: asyncpg.Record) -> Revision:
    return Revision(
        base=row["version"] - 1,
        version=row["version"],
        person=row["person"],
        began_at=row["edited_at"],
        ended_at=row["edited_at"],
        inserted=row["inserted"],
        deleted=row["deleted"],
    )
