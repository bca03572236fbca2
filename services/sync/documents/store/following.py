"""Whether edits follow a version and each other, and what they lead to. Pure."""

from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import takewhile

from services.sync.documents.domain.document import Document, Edit, State, room


def at_snapshot(document: Document, version: int) -> Document:
    """The document as it was then, as far as its row tells."""
    updated_at = document.updated_at if version else document.created_at
    return replace(document, version=version, updated_at=updated_at)


def following(known: State, row: Document, missed: Sequence[Edit]) -> State | None:
    """The state that the edits lead to; None if they do not follow it."""
    if not lead(missed, known.version, row.version):
        return None
    state = known
    for edit in missed:
        state = state.after(edit)
    return state.compacted(row)


def lead(edits: Sequence[Edit], first: int, last: int) -> bool:
    """Whether these are all edits after the one version up to the other."""
    return len(edits) == last - first and follow(edits, first)


def lead_to(edits: Sequence[Edit], last: int) -> bool:
    """Whether these are the edits right before a version and its own."""
    return bool(edits) and lead(edits, last - len(edits), last)


def follow(edits: Sequence[Edit], first: int) -> bool:
    """Whether these come right after a version, without gaps."""
    return all(each.version == place for place, each in enumerate(edits, start=first + 1))


def fitting(edits: list[Edit]) -> list[Edit]:
    """The newest of these, no more than are kept."""
    first, _ = room(edits, sum(each.size for each in edits))
    return edits[first:]


def made_by(edits: Sequence[Edit], numbers: Set[int]) -> list[Edit]:
    """Those of these changes; the newest are asked for, as a rule."""
    first = min(numbers, default=0)
    newest = takewhile(lambda each: each.number >= first, reversed(edits))
    return [each for each in newest if each.number in numbers]
