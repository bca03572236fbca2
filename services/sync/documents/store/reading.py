"""Reading documents: what is in memory, brought up to date by what is in the rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import groupby
from uuid import UUID

import asyncpg

from libs.encryption.keyring import Keyring
from libs.spine import read
from libs.tenancy import Route
from services.sync.documents.domain.document import (
    Document,
    Edit,
    State,
)
from services.sync.documents.errors import (
    BaseNotReached,
    DocumentBusy,
    DocumentNotFound,
    HistoryCompacted,
    VersionNotReached,
)
from services.sync.documents.store.following import (
    at_snapshot,
    fitting,
    follow,
    following,
    lead_to,
    made_by,
)
from services.sync.documents.store.listing import Listing
from services.sync.documents.store.recent import Recent
from services.sync.documents.store.rows import (
    DOCUMENT,
    EDIT,
    document_from,
    edit_from,
    sealed_edit,
    sealed_snapshot,
    snapshot_from,
)

_TRIES = 5  # of reading what is compacted meanwhile
_PAGE = 500  # edits opened at once
_TURN = 50  # edits that are put into a text before others get a turn
_NEWEST = 2**62
MOST_MISSED = 1000  # edits that a document in memory is brought up to date by; else it is read anew
MOST_OPENED = 2**23  # bytes of sealed edits that are opened at once
# The documents asked for, each with the edits after a version, if there are any, as many as fit.
CATCH_UP = f"""
    SELECT {DOCUMENT}, e.* FROM unnest($2::uuid[], $3::bigint[]) AS w (id, known)
    JOIN aeterna.shared_document AS d ON d.tenant_id = $1 AND d.id = w.id
    LEFT JOIN LATERAL (
        SELECT m.* FROM (
            SELECT {EDIT}, sum(octet_length(e.content)) OVER (ORDER BY e.version) AS bytes
            FROM aeterna.shared_document_edit AS e
            WHERE e.tenant_id = $1 AND e.document_id = w.id AND e.version > w.known
            ORDER BY e.version LIMIT $4
        ) AS m WHERE m.bytes <= $5::bigint
    ) AS e ON true
    ORDER BY d.id, e.edit_version
"""
_SNAPSHOT = f"""
    SELECT {DOCUMENT}, s.version AS snapshot_version, s.content AS snapshot
    FROM aeterna.shared_document AS d CROSS JOIN LATERAL (
        SELECT version, content FROM aeterna.shared_document_snapshot
        WHERE tenant_id = $1 AND document_id = d.id AND version <= $3
        ORDER BY version DESC LIMIT 1
    ) AS s
    WHERE d.tenant_id = $1 AND d.id = $2
"""
# One at least; of large ones no more than fit.
_EDITS = f"""
    SELECT p.* FROM (
        SELECT {EDIT}, row_number() OVER o AS place, sum(octet_length(e.content)) OVER o AS bytes
        FROM aeterna.shared_document_edit AS e
        WHERE e.tenant_id = $1 AND e.document_id = $2 AND e.version > $3 AND e.version <= $4
        WINDOW o AS (ORDER BY e.version)
        ORDER BY e.version LIMIT $5
    ) AS p WHERE p.bytes <= $6::bigint OR p.place = 1 ORDER BY p.place
"""
# The log says which version a change made.
_OF_NUMBERS = f"""
    SELECT p.* FROM (
        SELECT {EDIT}, sum(octet_length(e.content)) OVER (ORDER BY e.version) AS bytes
        FROM aeterna.change AS c JOIN aeterna.shared_document_edit AS e ON e.tenant_id = $1
            AND e.document_id = $2 AND e.version = (c.details ->> 'version')::bigint
        WHERE c.tenant_id = $1 AND c.number = ANY($3::bigint[]) AND e.number = c.number
    ) AS p WHERE p.bytes <= $4::bigint
"""
_GET = f"SELECT {DOCUMENT} FROM aeterna.shared_document AS d WHERE d.tenant_id = $1 AND d.id = $2"


class Outdated(Exception):
    """What is in memory of documents does not lead to what is in the rows."""

    def __init__(self, documents: Sequence[UUID]) -> None:
        super().__init__("documents in memory are outdated")
        self.documents = documents


class Reading(Listing):
    """The reading half of `Documents`; see there."""

    def __init__(self, keyring: Keyring, recent: Recent) -> None:
        super().__init__(keyring)
        self.recent = recent

    async def known(self, route: Route, document: UUID) -> State:
        """See `Documents`."""
        found = self.recent.get(route, document)
        return found or await self._loaded(route, document)

    async def newest(self, route: Route, document: UUID) -> State:
        """See `Documents`."""
        known = self.recent.get(route, document)
        if known is None:
            return await self._loaded(route, document)
        values = ([document], [known.version], MOST_MISSED, MOST_OPENED)
        rows = await read(route, CATCH_UP, *values)
        try:
            found = await self.caught_up(route, [known], rows)
        except Outdated:
            self.recent.forget(route, document)
            return await self._loaded(route, document)
        if not found:
            self.recent.forget(route, document)
            raise DocumentNotFound(document)
        return self.recent.keep(route, found[document])

    async def caught_up(
        self, route: Route, known: Sequence[State], rows: Sequence[asyncpg.Record]
    ) -> dict[UUID, State]:
        """What the rows of CATCH_UP make of states; those that are gone are left out.

        Raises:
            Outdated: They do not follow.
        """
        states = {each.document.id: each for each in known}
        found, wrong = {}, []
        for document, own in groupby(rows, key=lambda row: row["id"]):
            listed = list(own)
            row = document_from(listed[0])
            missed = [each for each in listed if each["content"] is not None]
            state = following(states[document], row, await self._opened(route, missed))
            if state is None:
                wrong.append(document)
            else:
                found[document] = state
        if wrong:
            raise Outdated(wrong)
        return found

    async def deepened(self, route: Route, document: UUID, version: int) -> State:
        """See `Documents`."""
        for _ in range(_TRIES):
            state = await self.known(route, document)
            first = max(version, state.document.oldest_version)
            earlier: list[Edit] = []
            async for some in self._between(route, document, first, state.reach):
                earlier += some
                earlier = fitting(earlier)
            if first >= state.reach or lead_to(earlier, state.reach):
                newer = self.recent.get(route, document)  # others wrote meanwhile
                state = newer if newer and newer.reach == state.reach else state
                return self.recent.keep(route, state.deepened(tuple(earlier)))
            self.recent.forget(route, document)  # compacted meanwhile
        raise DocumentBusy

    async def missed(
        self, route: Route, document: UUID, first: int, last: int
    ) -> AsyncIterator[Sequence[Edit]]:
        """See `Documents`."""
        async for some in self._between(route, document, first, last):
            if not follow(some, first):
                raise DocumentBusy
            yield some
            first = some[-1].version
        if first < last:
            raise DocumentBusy

    async def at(self, route: Route, document: UUID, version: int) -> State:
        """See `Documents`."""
        for _ in range(_TRIES):
            row = await self._row(route, document)
            if version > row.version:
                raise VersionNotReached(version, row.version)
            if version < row.oldest_version:
                raise HistoryCompacted(version, row.oldest_version)
            if state := await self._built(route, document, version):
                return state
        raise DocumentBusy

    async def edits(
        self, route: Route, document: UUID, since: int, limit: int
    ) -> tuple[Sequence[Edit], int]:
        """See `Documents`."""
        for _ in range(_TRIES):
            row = await self._row(route, document)
            if since > row.version:
                raise BaseNotReached(since, row.version)
            if since < row.oldest_version:
                raise HistoryCompacted(since, row.oldest_version)
            edits = await self._page(route, document, since, min(row.version, since + limit), limit)
            if follow(edits, since) and (edits or since == row.version):
                return edits, row.version
        raise DocumentBusy

    async def edits_of(
        self, route: Route, document: UUID, numbers: Sequence[int]
    ) -> Sequence[Edit]:
        """See `Documents`."""
        wanted, known = set(numbers), self.recent.get(route, document)
        here = made_by(known.edits, wanted) if known else []
        missing = wanted - {each.number for each in here}
        if not missing:
            return here
        rows = await read(route, _OF_NUMBERS, document, sorted(missing), MOST_OPENED)
        return [*here, *await self._opened(route, rows)]

    async def _row(self, route: Route, document: UUID) -> Document:
        rows = await read(route, _GET, document)
        if not rows:
            raise DocumentNotFound(document)
        return document_from(rows[0])

    async def _loaded(self, route: Route, document: UUID) -> State:
        """From the newest snapshot on, into memory."""
        for _ in range(_TRIES):
            if state := await self._built(route, document, _NEWEST):
                return self.recent.keep(route, state)
        raise DocumentBusy

    async def _built(self, route: Route, document: UUID, version: int) -> State | None:
        """The newest snapshot up to a version, and the edits from there to it; None where what
        follows the snapshot was compacted in between."""
        rows = await read(route, _SNAPSHOT, document, version)
        if not rows:
            raise DocumentNotFound(document)
        row = rows[0]
        (content,) = await self.keyring.open(route, [sealed_snapshot(row)])
        text, fields = snapshot_from(content)
        whole, first = document_from(row), row["snapshot_version"]
        last = min(version, whole.version)
        state = State.of(at_snapshot(whole, first), text, fields)
        async for some in self._between(route, document, first - 1, last):
            for place, edit in enumerate(some):
                if edit.version == first:  # that led to the snapshot, and may be forgotten
                    state = replace(state, document=replace(state.document, updated_at=edit.at))
                elif edit.version == state.version + 1:
                    state = state.after(edit)
                else:
                    return None
                if place % _TURN == 0:
                    await asyncio.sleep(0)
        return state if state.version == last else None

    async def _between(
        self, route: Route, document: UUID, first: int, last: int
    ) -> AsyncIterator[Sequence[Edit]]:
        """The edits after the one version up to the other, some at a time."""
        while first < last:
            some = await self._page(route, document, first, last, _PAGE)
            if not some:
                return
            yield some
            first = some[-1].version

    async def _page(
        self, route: Route, document: UUID, first: int, last: int, limit: int
    ) -> Sequence[Edit]:
        """The next of these."""
        rows = await read(route, _EDITS, document, first, last, limit, MOST_OPENED)
        return await self._opened(route, rows)

    async def _opened(self, route: Route, rows: Sequence[asyncpg.Record]) -> list[Edit]:
        if not rows:
            return []
        contents = await self.keyring.open(route, [sealed_edit(row) for row in rows])
        return [edit_from(row, content) for row, content in zip(rows, contents, strict=True)]
