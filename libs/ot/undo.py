"""Taking back an edit that others followed, and which one it is. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from libs.ot.operations import NOTHING, Operation, apply, compose, invert, past_all, transform


@dataclass(frozen=True, slots=True)
class Step:
    """An edit as it was ordered; an undo or a redo says which version it takes back."""

    version: int
    operation: Operation
    takes_back: int | None = None


class Origin(Enum):
    """How somebody's own edit of a text came about."""

    EDIT = "edit"
    UNDO = "undo"
    REDO = "redo"


def take_back(text: str, steps: Sequence[Step], version: int | None = None) -> Operation:
    """What takes back the edit that made a version, for the text after the last step.

    What others inserted stays, what others deleted stays deleted. Steps that take back others of
    the steps count as if neither had been. Else a text that was deleted meanwhile, and is there
    again, would not be known as the one that the edit inserted, and what two edits deleted side by
    side could come back in the wrong order.

    Args:
        text: Before the first step.
        steps: Every edit from `begin` on, in order and without gaps.
        version: The edit to take back; by default the first step.
    """
    version = steps[0].version if version is None else version
    links = {step.version: step.takes_back for step in steps if step.takes_back is not None}
    effective, standing = _effective(links, version), _Standing(text)
    for step in steps:
        standing.add(step.version, step.operation, effective.get(step.version))
    return standing.inverse(version)


def begin(links: Mapping[int, int], version: int) -> int:
    """The version of the first step that is needed to take back the edit that made `version`.

    Args:
        links: The version of each undo and redo that is known, with the one that it takes back.
        version: Of the edit to take back.
    """
    first, effective = version, _effective(links, version)
    while True:
        taken = (taken for later, taken in effective.items() if later > first)
        if (earliest := min(taken, default=first)) >= first:
            return first
        first = earliest


def open_to_undo(own: Iterable[tuple[int, Origin]]) -> tuple[list[int], list[int]]:
    """Versions that an undo and that a redo can take back; the next one is the last of each.

    Args:
        own: Version and origin of somebody's own edits of the text, in order.
    """
    done: list[int] = []
    undone: list[int] = []
    for version, origin in own:
        source, target = (undone, done) if origin is Origin.REDO else (done, undone)
        if origin is Origin.EDIT:
            done.append(version)
            undone.clear()
        else:
            del source[-1:]
            target.append(version)
    return done, undone


def _effective(links: Mapping[int, int], version: int) -> dict[int, int]:
    """Those that take back others and are not taken back themselves, nor are to be: `version`."""
    effective: dict[int, int] = {}
    for later in sorted(links, reverse=True):
        if later != version and later not in effective.values():
            effective[later] = links[later]
    return effective


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int | None
    operation: Operation
    inverse: Operation | None  # None: not made yet


class _Standing:
    """Edits that come to what all added ones come to, without pairs that cancel out."""

    def __init__(self, text: str) -> None:
        self._begin = self._text = text
        self._kept: list[_Kept] = []

    def add(self, version: int, operation: Operation, takes_back: int | None) -> None:
        place = self._place(takes_back)
        if place is None:
            self._push(version, operation)
        else:
            self._cancel(place, operation)

    def inverse(self, version: int) -> Operation:
        """Of the edit that made the version, past those after it; nothing if it was cancelled."""
        place = self._place(version)
        if place is None:
            return NOTHING
        later = (each.operation for each in self._kept[place + 1 :])
        return past_all(self._inverse(place), later)

    def _place(self, version: int | None) -> int | None:
        places = (place for place, each in enumerate(self._kept) if each.version == version)
        return None if version is None else next(places, None)

    def _inverse(self, place: int) -> Operation:
        kept = self._kept[place]
        if kept.inverse is not None:
            return kept.inverse
        text = self._begin
        for each in self._kept[:place]:
            text = apply(text, each.operation)
        return invert(kept.operation, text)

    def _push(self, version: int | None, operation: Operation) -> None:
        self._kept.append(_Kept(version, operation, invert(operation, self._text)))
        self._text = apply(self._text, operation)

    def _cancel(self, place: int, taking_back: Operation) -> None:
        """Takes out the edit at `place` and the one that follows all others and takes it back.

        Those between are put past its inverse, and it past them (TP1). That comes to the very text,
        unless edits that were taken back themselves had part in it: the rest is an edit of its own.
        """
        before, back = self._text, self._inverse(place)
        between = self._kept[place + 1 :]
        del self._kept[place:]
        for each in between:
            operation = transform(each.operation, back, "left")
            self._kept.append(_Kept(each.version, operation, None))
            back = transform(back, each.operation, "right")
        self._text = apply(before, back)
        if self._text != apply(before, taking_back):
            self._push(None, compose(invert(back, before), taking_back))
