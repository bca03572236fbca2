"""Edits of one person close in time, as one. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

APART = timedelta(minutes=5)  # an edit that comes later than that begins another revision


@dataclass(frozen=True, slots=True)
class Revision:
    """Edits from a version (`base`) to another."""

    base: int
    version: int
    person: str
    began_at: datetime
    ended_at: datetime
    inserted: int
    deleted: int


def grouped(edits: Iterable[Revision]) -> Iterator[Revision]:
    """Single edits, newest first, joined to revisions."""
    open_one: Revision | None = None
    for edit in edits:
        if open_one is None:
            open_one = edit
        elif _belongs(edit, open_one):
            open_one = _joined(edit, open_one)
        else:
            yield open_one
            open_one = edit
    if open_one is not None:
        yield open_one


def _belongs(earlier: Revision, later: Revision) -> bool:
    return earlier.person == later.person and later.began_at - earlier.ended_at <= APART


def _joined(earlier: Revision, later: Revision) -> Revision:
    return replace(
        later,
        base=earlier.base,
        began_at=earlier.began_at,
        inserted=earlier.inserted + later.inserted,
        deleted=earlier.deleted + later.deleted,
    )
