"""Taking back an edit that others followed, and which one it is. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from libs.ot.operations import Operation, apply, compose, invert, past_all, transform


@dataclass(frozen=True, slots=True)
class Step:
    """An edit as it was ordered; an undo or a redo says the version that it takes back."""

    version: int
    operation: Operation
    takes_back: int | None = None


class Origin(Enum):
    """How somebody's own edit of a text came about."""

    EDIT = "edit"
    UNDO = "undo"
    REDO = "redo"


def take_back(text: str, steps: Sequence[Step]) -> Operation:
    """What takes back the first of the steps, for the text after the last one.

    What others inserted stays, what others deleted stays deleted. Steps that take back others of
    these steps count as if neither had been: else a text that was deleted meanwhile, and is there
    again, would not be known as the one that the first step inserted.

    Args:
        text: Before the first step.
        steps: Every edit from that one on, in order and without gaps.
    """
    first, *later = steps
    standing = _Standing(apply(text, first.operation))
    for step in later:
        standing.add(step)
    return past_all(invert(first.operation, text), standing.operations)


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


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int | None
    operation: Operation
    inverse: Operation


class _Standing:
    """Edits that come to what all added ones come to, without pairs that cancel out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kept: list[_Kept] = []

    @property
    def operations(self) -> list[Operation]:
        return [each.operation for each in self._kept]

    def add(self, step: Step) -> None:
        versions = [each.version for each in self._kept]
        if step.takes_back is None or step.takes_back not in versions:
            self._push(step.version, step.operation)
        else:
            self._cancel(versions.index(step.takes_back), step.operation)

    def _push(self, version: int | None, operation: Operation) -> None:
        self._kept.append(_Kept(version, operation, invert(operation, self._text)))
        self._text = apply(self._text, operation)

    def _cancel(self, place: int, taking_back: Operation) -> None:
        """Takes out the edit at `place` and the one that follows all others and takes it back.

        Those between are put past its inverse, and it past them (TP1). That comes to the very text,
        unless edits that were taken back themselves had part in it: the rest is an edit of its own.
        """
        before, back = self._text, self._kept[place].inverse
        between = self._kept[place + 1 :]
        while len(self._kept) > place:
            self._text = apply(self._text, self._kept.pop().inverse)
        for each in between:
            self._push(each.version, transform(each.operation, back, "left"))
            back = transform(back, each.operation, "right")
        if self._text != apply(before, taking_back):
            self._push(None, compose(invert(back, before), taking_back))
