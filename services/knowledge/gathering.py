"""What the knowledge service knows of a person: the items that they wrote or proposed."""

import json
from dataclasses import dataclass
from uuid import UUID

from libs.encryption.keyring import Keyring
from libs.exports import Page
from libs.scope import SCOPE_IDS
from libs.spine import read
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from services.knowledge.domain.item import Item, Stored
from services.knowledge.operations import opened

_PAGE = 100
_OWN = """
    SELECT * FROM aeterna.knowledge_item
    WHERE tenant_id = $1 AND (author = $2 OR proposer = $2) AND ($3::uuid IS NULL OR id > $3)
    ORDER BY id LIMIT $4
"""


@dataclass(frozen=True)
class OwnItems:
    """`Source` of knowledge.ndjson."""

    table: VersionedTable[Stored]
    keyring: Keyring
    file: str = "knowledge.ndjson"

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        rows = await read(route, _OWN, subject, UUID(after) if after else None, _PAGE)
        items = await opened(self.keyring, route, [self.table.entity(row) for row in rows])
        return Page(
            [_line(each) for each in items], str(rows[-1]["id"]) if len(rows) == _PAGE else ""
        )


def _line(item: Item) -> bytes:
    stored = item.stored
    scope = {name: value for name in SCOPE_IDS if (value := getattr(stored.scope, name))}
    value = {
        "name": f"knowledgeItems/{stored.id}",
        "kind": stored.kind.value,
        "layer": stored.layer.value,
        "scope": scope,
        "status": stored.status.value,
        "author": stored.author,
        "proposer": stored.proposer,
        "version": stored.version,
        "createTime": stored.created_at.isoformat(),
        "updateTime": stored.updated_at.isoformat(),
        "title": item.title,
        "content": item.content,
    }
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
