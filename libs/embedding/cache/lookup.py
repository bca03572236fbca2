"""What the cache says of a text, decided on what was read: hit, check or miss. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from libs.embedding import Text
from libs.embedding.cache.entries import PLAIN, Entry, Slots
from libs.embedding.evidence import Evidence
from libs.embedding.usage import Tier
from libs.embedding.wording import Grade, Signature, grade

CHECKED = 0.05  # of the semantic hits that could be served: their call is paid


class Rules(NamedTuple):
    """How the semantic tier works for a tenant.

    Attributes:
        semantic: Whether it works at all.
        error_bound: The share of its hits that may be wrong, 0 to 1.
    """

    semantic: bool
    error_bound: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A text as the cache knows it: digests under the tenant's key.

    `form` is that of a query which may be known in other words.
    """

    text: Text
    subject: bytes
    exact: bytes
    form: bytes | None = None
    signature: Signature = PLAIN

    def keys(self, slots: Slots) -> list[str]:
        """Where its entries lie."""
        keys = [slots.key(Tier.EXACT, self.exact)]
        return [*keys, slots.key(Tier.SEMANTIC, self.form)] if self.form else keys


class Candidate(NamedTuple):
    """An entry of the same form; `open` when its grade keeps the tenant's bound."""

    entry: Entry
    grade: Grade
    open: bool


class Answer(NamedTuple):
    """Without an entry the provider has to be asked; its answer tells whether the candidate, if
    there is one, would have been right."""

    probe: Probe
    tier: Tier = Tier.PROVIDER
    entry: Entry | None = None
    candidate: Candidate | None = None


class Revoked(NamedTuple):
    """Entries made before change `number` do not count: of one subject (a digest), or all."""

    number: int
    subject: bytes | None


@dataclass(frozen=True, slots=True)
class Known:
    """What was read for some texts of one tenant and model."""

    slots: Slots
    values: Mapping[str, bytes | None]
    dimensions: int
    number: int  # the tenant's newest change
    revoked: Sequence[Revoked]
    rules: Rules
    evidence: Evidence

    def answer(self, probe: Probe, chance: Callable[[], float]) -> Answer:
        """`chance`, in [0, 1), picks the hits that are checked."""
        if entry := self._entry(Tier.EXACT, probe.exact):
            return Answer(probe, Tier.EXACT, entry)
        candidate = self._candidate(probe) if self.rules.semantic else None
        if candidate and candidate.open and chance() >= CHECKED:
            return Answer(probe, Tier.SEMANTIC, candidate.entry)
        return Answer(probe, candidate=candidate)

    def _candidate(self, probe: Probe) -> Candidate | None:
        entry = self._entry(Tier.SEMANTIC, probe.form) if probe.form else None
        kind = grade(probe.signature, entry.signature) if entry else None
        if entry is None or kind is None:
            return None
        return Candidate(entry, kind, self.evidence.allows(kind, self.rules.error_bound))

    def _entry(self, tier: Tier, digest: bytes) -> Entry | None:
        value = self.values.get(self.slots.key(tier, digest))
        entry = Entry.parse(value, digest, self.dimensions)
        if entry is None or any(self._concerns(each, entry) for each in self.revoked):
            return None
        return entry

    @staticmethod
    def _concerns(revoked: Revoked, entry: Entry) -> bool:
        return entry.number < revoked.number and revoked.subject in (None, entry.subject)
