"""What is done to memories without anybody asking for one of them: moves between tiers, deletions.
Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.changes import Indexes, Operation, Step, Terms, Vector
from services.memory.domain.life import Expiry, Life
from services.memory.domain.memory import Stored


class Entry(NamedTuple):
    """What the indexes are to hold of a memory, as it was when this was made; None: nothing."""

    memory: Stored
    vector: Vector | None
    terms: Terms | None

    @property
    def refused(self) -> bool:
        """Whether the memory is to have a vector, but its text got none."""
        return self.vector is None and Indexes.MEANING in self.memory.indexes

    def fits(self, memory: Stored) -> bool:
        """Whether it has still the same texts: they are sealed anew with each change."""
        return (memory.content, memory.author) == (self.memory.content, self.memory.author)


@dataclass(frozen=True, slots=True)
class Retier:
    """Move memories to where they belong. `entries` are of those that seemed to move up."""

    ids: tuple[UUID, ...]
    at: datetime
    life: Life
    entries: Mapping[UUID, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prune:
    """Remove those of these memories that have expired, and their earlier versions."""

    ids: tuple[UUID, ...]
    expiry: Expiry


def retiered(current: Mapping[UUID, Stored], body: Retier) -> Iterator[Step[Stored]]:
    """The moves. A move is no confirmation: the memory goes on fading.

    One that needs an entry which no longer fits stays: it has just been changed.
    """
    for before in _known(current, body.ids):
        tier = body.life.tier(before, body.at)
        after = replace(before, tier=tier, version=before.version + 1, updated_at=body.at)
        entry = body.entries.get(before.id)
        vector, terms = entry[1:] if entry and entry.fits(before) else (None, None)
        enters = after.indexes & ~before.indexes
        if tier is before.tier or (Indexes.WORDS in enters and terms is None):
            continue
        yield Step(
            Operation.TIERED,
            before,
            after,
            vector if Indexes.MEANING in enters else None,
            terms if Indexes.WORDS in enters else None,
        )


def pruned(current: Mapping[UUID, Stored], body: Prune) -> Iterator[Step[Stored]]:
    """The deletions."""
    for before in _known(current, body.ids):
        if body.expiry.covers(before):
            yield Step(Operation.DELETED, before, None)


def _known(current: Mapping[UUID, Stored], ids: tuple[UUID, ...]) -> Iterator[Stored]:
    """Those that are still there."""
    return (current[each] for each in ids if each in current)
