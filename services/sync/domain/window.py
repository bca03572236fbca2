"""The newest changes of a log, for everyone who is not far behind. Pure."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    """A change, as far as its place in the log goes."""

    @property
    def number(self) -> int: ...


T = TypeVar("T", bound=Numbered)


class Window(Generic[T]):
    """The last changes up to `head`, at most `size` of them."""

    def __init__(self, head: int, size: int) -> None:
        self.head = head
        self._changes: deque[T] = deque(maxlen=size)

    def extend(self, changes: Sequence[T]) -> None:
        """Adds the changes that follow `head`; the oldest make room.

        Raises:
            ValueError: They do not follow.
        """
        for change in changes:
            if change.number != self.head + 1:
                raise ValueError(f"{change.number} does not follow {self.head}")
            self._changes.append(change)
            self.head = change.number

    def after(self, number: int) -> list[T] | None:
        """The changes above `number` up to `head`; None when they are not all here."""
        before = self.head - len(self._changes)
        if number < before:
            return None
        return list(islice(self._changes, number - before, None))
