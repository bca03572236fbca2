"""Makes the index entries of all memories of a tenant anew, by the batch.

Texts are opened, embedded and hashed before the tenant's lock is taken, as far as the tier of each
memory asks for it. Under the lock an entry is made only of a memory whose text and tier are still
the same, with the ids it has now; one that changed meanwhile is read again. What the write does not
reach, an index elsewhere, waits in the queue of projections as after any other write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.lexical import Document
from libs.lexical.postings import Postings
from libs.operations import Fields
from libs.spine import Write, writing
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors import Point
from libs.vectors.projection import Projection, Projector
from services.memory.domain.memory import Stored
from services.memory.domain.upkeep import Entry
from services.memory.indexing import Indexing

KIND = "ReindexMemories"
_ROUNDS = 5  # of reading again what changed; later changes make their own entries


@dataclass(frozen=True)
class Reindex:
    """`Work` of ReindexMemories."""

    table: VersionedTable[Stored]
    indexing: Indexing
    postings: Postings
    projector: Projector

    async def __call__(
        self, route: Route, parameters: Fields, memories: Sequence[Stored]
    ) -> Mapping[str, int]:
        waiting, refused = list(memories), 0
        for _ in range(_ROUNDS):
            if waiting:
                entries = await self.indexing.entries(route, waiting)
                fit, waiting = await self._enter(route, entries)
                refused += sum(each.refused for each in fit)
        return {"memories": len(memories), "memories_without_vector": refused}

    async def _enter(
        self, route: Route, entries: Sequence[Entry]
    ) -> tuple[list[Entry], list[Stored]]:
        """Enters what still holds, which is given back; and the memories, as they are now, of
        which it does not."""
        async with writing(route, durable=False) as write:
            current = await self.table.load(write, [each.memory.id for each in entries])
            fit, changed = _compared(entries, current)
            points = [_projection(each) for each in fit]
            joined = self._put(write, fit, points)
        if not joined:
            await self.projector.project(route, points)
        return fit, changed

    def _put(self, write: Write, fit: Sequence[Entry], points: Sequence[Projection]) -> bool:
        """Whether the vectors are in the write, too; else they are queued."""
        documents = [
            Document(each.memory.id, each.terms, each.memory.payload())
            for each in fit
            if each.terms is not None
        ]
        gone = [each.memory.id for each in fit if each.terms is None]
        self.postings.join(write, documents, gone)
        joined = self.projector.join(write, points)
        if not joined:
            work = [(each.number, each.point.id) for each in points]
            write.queue_projection(self.table.collection, work)
        return joined


def _projection(entry: Entry) -> Projection:
    memory = entry.memory
    return Projection(memory.number, Point(memory.id, entry.vector, memory.payload()))


def _compared(
    entries: Sequence[Entry], current: Mapping[UUID, Stored]
) -> tuple[list[Entry], list[Stored]]:
    """The entries whose texts and tier are still the same, of the memories as they are now; and
    the other memories. What is deleted is in neither."""
    fit, changed = [], []
    for each in entries:
        now = current.get(each.memory.id)
        if now is None:
            continue
        if each.fits(now) and now.tier is each.memory.tier:
            fit.append(each._replace(memory=now))
        else:
            changed.append(now)
    return fit, changed
