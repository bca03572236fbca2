"""Takes what names an erased person out of documents: `libs.erasure.walking.Texts`.

A text belongs to the tenant, whoever wrote it: none is deleted. One that names the person, or did
in a version that is kept, is rewritten, and its history forgotten, since what was typed and deleted
is in it. The ids of authors are governance's to replace.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.auth.clock import Clock
from libs.changes import Command, Origin
from libs.erasure import Erasure
from libs.erasure.texts import Replace, is_named, mentions, of_others
from libs.ot.clocks import Fields, Written, tick
from libs.spine import read
from libs.tenancy import Route
from services.sync.documents.domain.document import Edit, State
from services.sync.documents.domain.editing import Body, Rewrite
from services.sync.documents.errors import DocumentBusy, DocumentNotFound
from services.sync.documents.ports import Documents

_BATCH = 32
_ROUNDS = 5
_EDITS = 500  # looked at at once
_TURN = 50  # after which others get a turn
_NEXT = """
    SELECT id FROM aeterna.shared_document
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""


@dataclass(frozen=True)
class ErasedDocuments:
    """Documents of a tenant, a few at a time."""

    documents: Documents
    now: Clock

    async def batch(self, route: Route, after: UUID | None) -> list[UUID]:
        """See `Texts`."""
        return [row["id"] for row in await read(route, _NEXT, after, _BATCH)]

    async def erase(
        self, route: Route, erasure: Erasure, origin: Origin, batch: list[UUID]
    ) -> Mapping[str, int]:
        """See `Texts`."""
        found = left = await self._naming(route, erasure, batch)
        for _ in range(_ROUNDS):
            for document in left:
                with suppress(DocumentBusy, DocumentNotFound):
                    await self._rewrite(route, erasure, origin, document)
            left = await self._naming(route, erasure, left)
            if not left:
                break
        return {"found": len(found), "erased": len(found) - len(left)}

    async def look(self, route: Route, erasure: Erasure, batch: list[UUID]) -> int:
        """See `Texts`."""
        return len(await self._naming(route, erasure, batch))

    async def finish(self, route: Route, origin: Origin) -> None:
        """See `Texts`: nothing is derived from documents."""

    async def _naming(self, route: Route, erasure: Erasure, batch: Sequence[UUID]) -> list[UUID]:
        """Those that name the person in a version that is kept."""
        found = []
        for document in batch:
            with suppress(DocumentNotFound):
                if await self._names(route, erasure, document):
                    found.append(document)
        return found

    async def _names(self, route: Route, erasure: Erasure, document: UUID) -> bool:
        """Every version is looked at: a name may have been typed letter by letter."""
        newest = await self.documents.newest(route, document)
        state = await self.documents.at(route, document, newest.document.oldest_version)
        if _names_person([state.text, *_texts(state.fields)], erasure):
            return True
        while state.version < newest.version:
            edits, _ = await self.documents.edits(route, document, state.version, _EDITS)
            for place, edit in enumerate(edits):
                state = state.after(edit)
                if _names_person(_changed(state, edit, erasure), erasure):
                    return True
                if place % _TURN == 0:
                    await asyncio.sleep(0)
        return False

    async def _rewrite(
        self, route: Route, erasure: Erasure, origin: Origin, document: UUID
    ) -> None:
        state, at = await self.documents.newest(route, document), self.now()
        replaced = of_others(erasure)
        fields = {name: _replaced(each, replaced, at) for name, each in state.fields.items()}
        body: Body = Rewrite(document, state.version, replaced(state.text), fields, at)
        await self.documents.submit(route, Command(origin, None, body))


def _changed(state: State, edit: Edit, erasure: Erasure) -> list[str]:
    """The parts of a text that an edit has changed, with what stands around them."""
    around = 1 + max(map(len, erasure.names))
    windows, place = [state.text] if len(state.text) <= around else [], 0
    for part in edit.operation:
        inserted = len(part) if isinstance(part, str) else 0
        if inserted or (not isinstance(part, str) and part < 0):
            windows.append(state.text[max(0, place - around) : place + inserted + around])
        place += inserted or (max(part, 0) if not isinstance(part, str) else 0)
    return [*windows, *_texts(edit.fields)]


def _texts(fields: Fields) -> list[str]:
    return [each.value for each in fields.values() if each.value is not None]


def _replaced(field: Written, replace: Replace, at: datetime) -> Written:
    """The value without the person; one that is another now is written later than before."""
    value = replace(field.value) if field.value is not None else None
    if value == field.value:
        return field
    return Written(value, tick(field.time, int(at.timestamp() * 1000)))


def _names_person(texts: Sequence[str], erasure: Erasure) -> bool:
    return is_named(list(texts), erasure.names) or mentions(list(texts), erasure.identifiers)
