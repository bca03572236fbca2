"""When an audit trail is intact: numbered from 1 without gaps, every hash over the one before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened without changing a resource of ours."""

    name: str  # lower-case words joined by dots
    resource: str  # what it is about; free text, "" for nothing
    subject: str  # whom it is about; "" for nobody


class Entry(Protocol):
    """What the chain is made of."""

    @property
    def number(self) -> int: ...
    @property
    def hash(self) -> bytes: ...
    def follows(self, previous: bytes) -> bool:
        """Whether the hash covers this entry and `previous`, the hash of the one before."""


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a trail so far.

    Attributes:
        checked: How many entries, from the first, form an unbroken chain.
        head: The hash of the last of them; of the tenant's id before the first.
        broken_at: The first number that is missing, altered or too many; 0 while there is none.
    """

    head: bytes
    checked: int = 0
    broken_at: int = 0

    def after(
        self, entries: Iterable[E], vouched: Callable[[E], bool] = lambda _: False
    ) -> "Verdict":
        """The verdict once these, in order, were checked too; stops at the first broken one.

        `vouched`: whether an entry that the hash is not of was changed by erasing a person, as a
        signature of the platform says.
        """
        verdict = self
        for entry in entries:
            expected = verdict.checked + 1
            intact = entry.follows(verdict.head) or vouched(entry)
            if entry.number != expected or not intact:
                return replace(verdict, broken_at=expected)
            verdict = Verdict(entry.hash, expected)
        return verdict

    def ending(self, given: int, newest: int) -> "Verdict":
        """The verdict for a log that ends with number `newest` after `given` were given out."""
        return self if given == newest else replace(self, broken_at=min(given, newest) + 1)
