"""When an audit trail is intact: numbered without gaps, every hash over the one before, and what
signed checkpoints say of it. Pure; used where a trail is kept and where a copy of it is checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

CHECKPOINT = "aeterna.audit-checkpoint.v1"  # purpose of the signature

Signatures = Mapping[int, bytes | None]  # signed hashes by number; None: not a valid signature
_NONE: Signatures = {}


class Entry(Protocol):
    """What the chain is made of."""

    @property
    def number(self) -> int: ...
    @property
    def hash(self) -> bytes: ...
    def follows(self, previous: bytes) -> bool:
        """Whether the hash covers this entry and `previous`, the hash of the one before."""


E = TypeVar("E", bound=Entry)


class Fault(StrEnum):
    """What is wrong with the first broken entry."""

    ALTERED = "altered"  # its hash is not that of its content and of the entry before
    MISSING = "missing"  # another number is in its place
    TRUNCATED = "truncated"  # the trail ends before it
    ADDED = "added"  # it was never given out
    REWRITTEN = "rewritten"  # the chain holds, but a signed checkpoint says otherwise
    UNSIGNED = "unsigned"  # a signature that should prove it is not valid


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a trail so far.

    Attributes:
        head: The hash of the last entry of the chain; what the first one has to follow before it.
        checked: The number up to which entries form an unbroken chain.
        broken_at: The first number that is broken; 0 while there is none.
        fault: What is wrong with it.
        proved: The newest number that a signed checkpoint proves.
    """

    head: bytes
    checked: int = 0
    broken_at: int = 0
    fault: Fault | None = None
    proved: int = 0

    @property
    def intact(self) -> bool:
        return self.broken_at == 0

    def broken(self, number: int, fault: Fault) -> "Verdict":
        """The same, with the first broken entry."""
        return replace(self, broken_at=number, fault=fault)

    def after(
        self,
        entries: Iterable[E],
        signed: Signatures = _NONE,
        vouched: Callable[[E], bool] = lambda _: False,
    ) -> "Verdict":
        """The verdict once these, in order, were checked too; stops at the first broken one.

        Args:
            signed: What checkpoints say.
            vouched: Whether an entry that the hash is not of was changed by erasing a person, as
                a signature of the platform says.
        """
        verdict = self
        for entry in entries:
            expected = verdict.checked + 1
            if entry.number != expected:
                return verdict.broken(expected, Fault.MISSING)
            if not (entry.follows(verdict.head) or vouched(entry)):
                return verdict.broken(expected, Fault.ALTERED)
            verdict = replace(verdict, head=entry.hash, checked=expected)
            if expected in signed:
                verdict = verdict.confirmed(signed[expected])
                if not verdict.intact:
                    return verdict
        return verdict

    def confirmed(self, signed: bytes | None) -> "Verdict":
        """The verdict once the newest entry was held against its signed hash, None where the
        signature is not valid. Where they differ, the chain was made anew somewhere after what
        was proved last."""
        if signed == self.head:
            return replace(self, proved=self.checked)
        fault = Fault.REWRITTEN if signed else Fault.UNSIGNED
        return self.broken(self.proved + 1, fault)

    def ending(self, given: int, newest: int) -> "Verdict":
        """The verdict for a trail that ends with number `newest` after `given` were given out."""
        if given == newest or not self.intact:
            return self
        fault = Fault.TRUNCATED if newest < given else Fault.ADDED
        return self.broken(min(given, newest) + 1, fault)
