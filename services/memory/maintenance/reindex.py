"""Makes the index entries of all memories of a tenant anew, in the order of their ids.

Texts are opened, embedded and hashed before the tenant's lock is taken. Under the lock an entry is
made only of a memory whose text is still the same, with the ids it has now; one whose text changed
meanwhile is read again. What the write does not reach, an index elsewhere, waits in the queue of
projections as after any other write.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from libs.changes import Terms, Vector
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.encryption.keyring import Keyring
from libs.lexical import Document, blinded
from libs.lexical.analysis import terms
from libs.lexical.postings import Postings
from libs.operations import Fields, Progress
from libs.spine import Write, read, writing
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors import Point
from libs.vectors.projection import Projection, Projector
from services.memory.domain.memory import Stored, searchable
from services.memory.opening import opened_texts

KIND = "ReindexMemories"
_BATCH = 64  # memories that one step takes
_ROUNDS = 5  # of reading again what changed; later changes make their own entries
_NOWHERE = str(UUID(int=0))
_EXTENT = """
    SELECT count(*) AS total,
        (SELECT id FROM aeterna.memory WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1) AS last
    FROM aeterna.memory WHERE tenant_id = $1
"""
_NEXT = """
    SELECT * FROM aeterna.memory
    WHERE tenant_id = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4
"""


class _Entry(NamedTuple):
    """What the indexes are to hold of a memory."""

    memory: Stored
    vector: Vector
    terms: Terms


@dataclass(frozen=True)
class Reindex:
    """`libs.operations.Step` of ReindexMemories; memories stored after its start are not its own
    business."""

    table: VersionedTable[Stored]
    keyring: Keyring
    embedder: TenantEmbedder
    postings: Postings
    projector: Projector

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        if not progress.cursor:
            return await self._start(route)
        last = progress.cursor["last"]
        rows = await read(route, _NEXT, progress.cursor["after"], last, _BATCH)
        memories = [self.table.entity(row) for row in rows]
        await self._index(route, memories)
        done = progress.done + len(memories)
        after = str(memories[-1].id) if memories else last
        return Progress(
            done,
            max(progress.total, done),
            finished=len(memories) < _BATCH,
            cursor={"after": after, "last": last},
            result={"memories": done},
        )

    async def _start(self, route: Route) -> Progress:
        (row,) = await read(route, _EXTENT)
        cursor = {"after": _NOWHERE, "last": str(row["last"] or _NOWHERE)}
        empty = row["last"] is None
        return Progress(0, row["total"], finished=empty, cursor=cursor, result={"memories": 0})

    async def _index(self, route: Route, memories: Sequence[Stored]) -> None:
        for _ in range(_ROUNDS):
            if not memories:
                return
            memories = await self._enter(route, await self._entries(route, memories))

    async def _entries(self, route: Route, memories: Sequence[Stored]) -> list[_Entry]:
        opened = await opened_texts(self.keyring, route, memories)
        texts = [searchable(author, content) for content, author in opened]
        about = [Text(text, each.subject) for text, each in zip(texts, memories, strict=True)]
        vectors = await self.embedder.embed(route, about, Purpose.DOCUMENT)
        words = await asyncio.to_thread(lambda: [terms(text) for text in texts])
        hashes = await blinded(self.keyring, route, words)
        return [_Entry(*each) for each in zip(memories, vectors, hashes, strict=True)]

    async def _enter(self, route: Route, entries: Sequence[_Entry]) -> list[Stored]:
        """Enters what still holds; the memories, as they are now, whose texts have changed."""
        async with writing(route, durable=False) as write:
            current = await self.table.load(write, [each.memory.id for each in entries])
            fit, changed = _compared(entries, current)
            points = [_projection(each) for each in fit]
            joined = self._put(write, fit, points)
        if not joined:
            await self.projector.project(route, points)
        return changed

    def _put(self, write: Write, fit: Sequence[_Entry], points: Sequence[Projection]) -> bool:
        """Whether the vectors are in the write, too; else they are queued."""
        documents = [Document(each.memory.id, each.terms, each.memory.payload()) for each in fit]
        self.postings.join(write, documents, [])
        joined = self.projector.join(write, points)
        if not joined:
            work = [(each.number, each.point.id) for each in points]
            write.queue_projection(self.table.collection, work)
        return joined


def _projection(entry: _Entry) -> Projection:
    memory = entry.memory
    return Projection(memory.number, Point(memory.id, entry.vector, memory.payload()))


def _compared(
    entries: Sequence[_Entry], current: Mapping[UUID, Stored]
) -> tuple[list[_Entry], list[Stored]]:
    """The entries whose texts are still the same, of the memories as they are now; and the
    memories with other texts. What is deleted is in neither."""
    fit, changed = [], []
    for each in entries:
        now = current.get(each.memory.id)
        if now is None:
            continue
        if (now.content, now.author) == (each.memory.content, each.memory.author):
            fit.append(each._replace(memory=now))
        else:
            changed.append(now)
    return fit, changed
