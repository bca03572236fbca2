"""Reading documents: what is in memory, brought up to date by what is in the rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from uuid import UUID

import asyncpg

from libs.aip.filtering import Condition, to_sql
from libs.encryption.keyring import Keyring
from libs.ot.clocks import Fields
from libs.spine import read
from libs.tenancy import Route
from services.sync.documents.domain.document import (
    KEPT,
    MOST_KEPT,
    Document,
    Edit,
    State,
)
from services.sync.documents.domain.revisions import Revision
from services.sync.documents.errors import (
    BaseNotReached,
    DocumentBusy,
    DocumentNotFound,
    HistoryCompacted,
    VersionNotReached,
)
from services.sync.documents.store.recent import Recent
from services.sync.documents.store.rows import (
    DOCUMENT,
    EDIT,
    document_from,
    edit_from,
    fields_from,
    sealed_edit,
    sealed_fields,
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
        SELECT {EDIT}, sum(octet_length(e.content)) OVER (ORDER BY e.version) AS bytes
        FROM aeterna.shared_document_edit AS e
        WHERE e.tenant_id = $1 AND e.document_id = $2 AND e.version > $3 AND e.version <= $4
        ORDER BY e.version LIMIT $5
    ) AS p WHERE p.bytes <= $6::bigint OR p.edit_version = $3 + 1 ORDER BY p.edit_version
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
_REVISIONS = """
    SELECT version, person, edited_at, inserted, deleted FROM aeterna.shared_document_edit
    WHERE tenant_id = $1 AND document_id = $2 AND version <= $3 ORDER BY version DESC LIMIT $4
"""
_LIST = f"""
    SELECT {DOCUMENT}, d.fields FROM aeterna.shared_document AS d
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_PLACES = "SELECT DISTINCT {columns} FROM aeterna.shared_document WHERE tenant_id = $1 LIMIT $2"
_GET = f"SELECT {DOCUMENT} FROM aeterna.shared_document AS d WHERE d.tenant_id = $1 AND d.id = $2"


class Outdated(Exception):
    """What is in memory of documents does not lead to what is in the rows."""

    def __init__(self, documents: Sequence[UUID]) -> None:
        super().__init__("documents in memory are outdated")
        self.documents = documents


@dataclass(frozen=True)
class Reading:
    """The reading half of `Documents`; see there."""

    keyring: Keyring
    recent: Recent

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
            state = _following(states[document], row, await self._opened(route, missed))
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
                earlier = _fitting(earlier)
            if first >= state.reach or _lead_to(earlier, state.reach):
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
            if not _follow(some, first):
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
            if _follow(edits, since) and (edits or since == row.version):
                return edits, row.version
        raise DocumentBusy

    async def edits_of(
        self, route: Route, document: UUID, numbers: Sequence[int]
    ) -> Sequence[Edit]:
        """See `Documents`."""
        wanted, known = set(numbers), self.recent.get(route, document)
        here = _made_by(known.edits, wanted) if known else []
        missing = wanted - {each.number for each in here}
        if not missing:
            return here
        rows = await read(route, _OF_NUMBERS, document, sorted(missing), MOST_OPENED)
        return [*here, *await self._opened(route, rows)]

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
        state = State.of(_at_snapshot(whole, first), text, fields)
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


def _at_snapshot(document: Document, version: int) -> Document:
    updated_at = document.updated_at if version else document.created_at
    return replace(document, version=version, updated_at=updated_at)


def _following(known: State, row: Document, missed: Sequence[Edit]) -> State | None:
    """The state that the edits lead to; None if they do not follow it."""
    if not _lead(missed, known.version, row.version):
        return None
    state = known
    for edit in missed:
        state = state.after(edit)
    return state.compacted(row)


def _lead(edits: Sequence[Edit], first: int, last: int) -> bool:
    """Whether these are all edits after the one version up to the other."""
    return len(edits) == last - first and _follow(edits, first)


def _lead_to(edits: Sequence[Edit], last: int) -> bool:
    """Whether these are the edits right before a version and its own."""
    return bool(edits) and _lead(edits, last - len(edits), last)


def _follow(edits: Sequence[Edit], first: int) -> bool:
    """Whether these come right after a version, without gaps."""
    return all(each.version == place for place, each in enumerate(edits, start=first + 1))


def _fitting(edits: list[Edit]) -> list[Edit]:
    """The newest of these, no more than are kept."""
    size, first = sum(each.size for each in edits), max(0, len(edits) - KEPT)
    size -= sum(each.size for each in edits[:first])
    while size > MOST_KEPT and first < len(edits) - 1:
        size -= edits[first].size
        first += 1
    return edits[first:]


def _made_by(edits: Sequence[Edit], numbers: Set[int]) -> list[Edit]:
    """Those of these changes; the newest are asked for, as a rule."""
    first = min(numbers, default=0)
    newest = takewhile(lambda each: each.number >= first, reversed(edits))
    return [each for each in newest if each.number in numbers]


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
