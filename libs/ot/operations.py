"""Text operations over Unicode code points: apply, compose, transform, invert. Pure.

An operation is its parts, from the beginning of a text on: a positive number leaves so many code
points as they are, a negative one deletes so many, a text is inserted. What follows the last part
stays as it is.

Operations are in normal form: no part is 0 or empty, neighbours differ in kind, an insert stands
before the delete beside it, nothing is kept at the end. So equal changes are equal tuples. Every
function here expects the normal form and returns it; `normal` makes it of any parts.
"""

from collections.abc import Iterable
from typing import Literal

Part = int | str
Operation = tuple[Part, ...]
Side = Literal["left", "right"]  # of two texts inserted at one place, the left one stands first

NOTHING: Operation = ()
MOST_PARTS = 10_000  # that the contract takes


class Misfit(ValueError):
    """An operation speaks of more code points than the text has."""

    def __init__(self, needed: int, length: int) -> None:
        super().__init__(f"The operation needs {needed} code points, the text has {length}.")
        self.needed, self.length = needed, length


class _Parts:
    """Parts as they come, put into normal form."""

    __slots__ = ("deleted", "done", "inserted", "kept")

    def __init__(self) -> None:
        self.done: list[Part] = []
        self.kept = 0
        self.inserted: list[str] = []
        self.deleted = 0

    def keep(self, count: int) -> None:
        if self.inserted or self.deleted:
            self._close()
        self.kept += count

    def insert(self, text: str) -> None:
        if self.kept:
            self._open()
        self.inserted.append(text)

    def delete(self, count: int) -> None:
        if self.kept:
            self._open()
        self.deleted += count

    def add(self, part: Part) -> None:
        if isinstance(part, str):
            self.insert(part)
        elif part > 0:
            self.keep(part)
        else:
            self.delete(-part)

    def finish(self) -> Operation:
        self._close()
        return tuple(self.done)

    def _open(self) -> None:
        self.done.append(self.kept)
        self.kept = 0

    def _close(self) -> None:
        if self.inserted:
            self.done.append("".join(self.inserted))
            self.inserted = []
        if self.deleted:
            self.done.append(-self.deleted)
            self.deleted = 0


def normal(parts: Iterable[Part]) -> Operation:
    """The operation of any parts, also empty ones and neighbours of one kind."""
    made = _Parts()
    for part in parts:
        if part:
            made.add(part)
    return made.finish()


def reach(operation: Operation) -> int:
    """How many code points of the text the operation speaks of: it fits no shorter one."""
    return sum(abs(part) for part in operation if not isinstance(part, str))


def growth(operation: Operation) -> int:
    """By how many code points the text is longer afterwards."""
    return sum(len(part) if isinstance(part, str) else min(part, 0) for part in operation)


def check(operation: Operation, length: int) -> None:
    """Raises Misfit when the operation does not fit a text of so many code points."""
    if (needed := reach(operation)) > length:
        raise Misfit(needed, length)


def apply(text: str, operation: Operation) -> str:
    """The text after the operation.

    Raises:
        Misfit: The text is too short.
    """
    pieces, place = [], 0
    for part in operation:
        if isinstance(part, str):
            pieces.append(part)
        elif part > 0:
            pieces.append(text[place : place + part])
            place += part
        else:
            place -= part
    if place > len(text):
        raise Misfit(place, len(text))
    pieces.append(text[place:])
    return "".join(pieces)


def invert(operation: Operation, text: str) -> Operation:
    """What takes the operation back, for the text that it leads to; `text` is the one before it.

    Raises:
        Misfit: The text is too short.
    """
    check(operation, len(text))
    made, place = _Parts(), 0
    for part in operation:
        if isinstance(part, str):
            made.delete(len(part))
        elif part > 0:
            made.keep(part)
            place += part
        else:
            made.insert(text[place : place - part])
            place -= part
    return made.finish()


def compose(first: Operation, then: Operation) -> Operation:
    """One operation that does what `first` does to a text, and then what `then` does to that."""
    if not first or not then:
        return first or then
    made = _Parts()
    earlier = iter(first)
    mine, used = next(earlier, None), 0  # the part of `first` at hand, and how much of its text is
    for part in then:
        if isinstance(part, str):
            made.insert(part)
            continue
        add, left = (made.keep, part) if part > 0 else (made.delete, -part)
        while left:
            if mine is None:
                add(left)
                break
            if isinstance(mine, str):
                piece = mine[used : used + left]
                left, used = left - len(piece), used + len(piece)
                if part > 0:
                    made.insert(piece)
                if used == len(mine):
                    mine, used = next(earlier, None), 0
            elif mine > 0:
                count = min(left, mine)
                add(count)
                left, mine = left - count, mine - count or next(earlier, None)
            else:
                made.delete(-mine)
                mine = next(earlier, None)
    while mine is not None:
        made.add(mine[used:] if isinstance(mine, str) else mine)
        mine, used = next(earlier, None), 0
    return made.finish()


def transform(operation: Operation, past: Operation, side: Side) -> Operation:
    """`operation` as it is after `past`; both were made on the same text.

    Of two texts inserted at one place that of the left operation stands first. Both ways lead to
    one text (TP1): `past` and then the result, `operation` and then `past` transformed past it,
    with the other side.
    """
    if not operation or not past:
        return operation
    made = _Parts()
    others = iter(past)
    other = next(others, None)
    for part in operation:
        if isinstance(part, str):
            if side == "right" and isinstance(other, str):
                made.keep(len(other))
                other = next(others, None)
            made.insert(part)
            continue
        add, left = (made.keep, part) if part > 0 else (made.delete, -part)
        while left:
            if other is None:
                add(left)
                break
            if isinstance(other, str):
                made.keep(len(other))
                other = next(others, None)
            elif other > 0:
                count = min(left, other)
                add(count)
                left, other = left - count, other - count or next(others, None)
            else:
                count = min(left, -other)
                left, other = left - count, other + count or next(others, None)
    return made.finish()


def transform_both(left: Operation, right: Operation) -> tuple[Operation, Operation]:
    """Each as it is after the other one."""
    return transform(left, right, "left"), transform(right, left, "right")


def past_all(operation: Operation, edits: Iterable[Operation], side: Side = "right") -> Operation:
    """`operation` as it is after edits that follow each other, the first on the same text as it."""
    for each in edits:
        operation = transform(operation, each, side)
    return operation
