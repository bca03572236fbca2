"""What the memory service knows of a person, page by page."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from libs.encryption.keyring import Keyring
from libs.exports import Page
from libs.spine import read
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from services.memory.domain.memory import Memory, Stored
from services.memory.opening import opened

_PAGE = 200
_CURRENT = """
    SELECT * FROM aeterna.memory
    WHERE tenant_id = $1 AND user_id = $2 AND user_id <> '' AND ($3::uuid IS NULL OR id > $3)
    ORDER BY id LIMIT $4
"""
_EARLIER = """
    SELECT * FROM aeterna.memory_version
    WHERE tenant_id = $1 AND user_id = $2 AND (id, version) > ($3, $4) ORDER BY id, version LIMIT $5
"""
_NOWHERE = f"{UUID(int=0)}/0"


@dataclass(frozen=True)
class Memories:
    """`Source` of memories.ndjson: what `aeterna memory import` reads."""

    table: VersionedTable[Stored]
    keyring: Keyring
    line: Callable[[Memory], bytes]
    file: str = "memories.ndjson"

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        rows = await read(route, _CURRENT, subject, UUID(after) if after else None, _PAGE)
        memories = await opened(self.keyring, route, [self.table.entity(row) for row in rows])
        more = len(rows) == _PAGE
        return Page([self.line(each) for each in memories], str(rows[-1]["id"]) if more else "")


@dataclass(frozen=True)
class EarlierVersions:
    """`Source` of memory-versions.ndjson: what memories said before."""

    table: VersionedTable[Stored]
    keyring: Keyring
    line: Callable[[Memory], bytes]
    file: str = "memory-versions.ndjson"

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """See `Source`."""
        memory, _, version = (after or _NOWHERE).partition("/")
        rows = await read(route, _EARLIER, subject, UUID(memory), int(version), _PAGE)
        memories = await opened(self.keyring, route, [self.table.entity(row) for row in rows])
        last = f"{rows[-1]['id']}/{rows[-1]['version']}" if len(rows) == _PAGE else ""
        return Page([self.line(each) for each in memories], last)
