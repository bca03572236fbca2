"""How far a search looks among shortened vectors, and what a latency budget and measured losses
choose. Pure."""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar


class Policy(Enum):
    """From the fastest to the most precise, and the one that chooses among them."""

    FAST = auto()
    BALANCED = auto()
    RANKING = auto()
    PRECISE = auto()
    ADAPTIVE = auto()


LADDER = (Policy.FAST, Policy.BALANCED, Policy.RANKING, Policy.PRECISE)

# Candidates for each result that is wanted; 0: the shortened vectors have the last word.
OVERSAMPLING: Mapping[Policy, int] = {
    Policy.FAST: 0,
    Policy.BALANCED: 8,
    Policy.RANKING: 16,
    Policy.PRECISE: 40,
}
TOLERATED = 0.01  # loss with which a policy is precise enough
_TRIED = 20  # measurements before a loss counts
_REMEMBERED = 200  # measurements that a loss is the mean of, about
_KEPT = 10_000  # kinds of searches whose latencies are known, and tenants whose losses are
_STEP = 2.0  # how much slower than a policy the next one may be, before it was ever tried
_FADING = 0.99  # of what is known of a policy, each time that it is not chosen for it


T = TypeVar("T")


@dataclass(slots=True)
class _Estimate:
    """What a call takes, in seconds, as RFC 6298 smooths round trips."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, seconds: float) -> "_Estimate":
        return cls(seconds, seconds / 2)

    def observe(self, seconds: float) -> None:
        self.deviation += (abs(self.mean - seconds) - self.deviation) / 4
        self.mean += (seconds - self.mean) / 8

    def fade(self) -> None:
        self.mean *= _FADING
        self.deviation *= _FADING

    @property
    def bound(self) -> float:
        """What few calls exceed."""
        return self.mean + 4 * self.deviation


@dataclass(slots=True)
class Latencies:
    """What searches of each kind (a tenant, a strategy) took lately, by policy."""

    _known: OrderedDict[Hashable, dict[Policy, _Estimate]] = field(default_factory=OrderedDict)

    def observe(self, kind: Hashable, policy: Policy, seconds: float) -> None:
        """A search took so long."""
        estimates = _latest(self._known, kind)
        if policy in estimates:
            estimates[policy].observe(seconds)
        else:
            estimates[policy] = _Estimate.of(seconds)

    def choose(self, kind: Hashable, budget: float, enough: Policy = Policy.PRECISE) -> Policy:
        """The most precise policy up to `enough` that is expected to keep within `budget`, in
        seconds; FAST when none is.

        Begins with FAST, and tries the next one when there is room for it. One that was too slow
        is tried again after a while: it may have been the machine.
        """
        estimates = self._known.get(kind, {})
        chosen = Policy.FAST
        room = True  # for a policy of which nothing is known
        for policy in LADDER[: LADDER.index(enough) + 1]:
            estimate = estimates.get(policy)
            if estimate is None:
                return policy if room else chosen
            if estimate.bound > budget:
                estimate.fade()
                return chosen
            chosen, room = policy, estimate.bound * _STEP <= budget
        return chosen


@dataclass(slots=True)
class _Loss:
    """A mean over measurements, of which the older ones are forgotten."""

    mean: float = 0.0
    count: int = 0

    def observe(self, lost: float) -> None:
        self.count = min(self.count + 1, _REMEMBERED)
        self.mean += (lost - self.mean) / self.count


@dataclass(slots=True)
class Losses:
    """What share of the results of PRECISE the other policies miss, 0 to 1, by kind: a tenant, a
    length of the vectors in its index."""

    _known: OrderedDict[Hashable, dict[Policy, _Loss]] = field(default_factory=OrderedDict)

    def observe(self, kind: Hashable, found: Mapping[Policy, Collection[Hashable]]) -> None:
        """What each policy found for one query, PRECISE included."""
        precise = set(found[Policy.PRECISE])
        if not precise:
            return
        losses = _latest(self._known, kind)
        for policy, results in found.items():
            lost = 1 - len(precise.intersection(results)) / len(precise)
            losses.setdefault(policy, _Loss()).observe(lost)

    def of(self, kind: Hashable, policy: Policy) -> float | None:
        """None while too little was measured."""
        loss = self._known.get(kind, {}).get(policy)
        return loss.mean if loss and loss.count >= _TRIED else None

    def enough(self, kind: Hashable) -> Policy:
        """The fastest policy that loses no more than is tolerated; PRECISE while that is not
        known."""
        for policy in LADDER:
            loss = self.of(kind, policy)
            if loss is not None and loss <= TOLERATED:
                return policy
        return Policy.PRECISE


def _latest(known: OrderedDict[Hashable, dict[Policy, T]], kind: Hashable) -> dict[Policy, T]:
    """What is known of a kind, which has just been heard of; the one of which nothing was heard for
    longest is forgotten when there are too many."""
    found = known.setdefault(kind, {})
    known.move_to_end(kind)
    if len(known) > _KEPT:
        known.popitem(last=False)
    return found
