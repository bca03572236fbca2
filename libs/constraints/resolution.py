"""Which rules hold in a scope: policies of one key, from the company down to the project. Pure.

What a mandatory policy says stays as it is, whatever lower layers say and by which merge.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from libs.constraints import ORDER, Merge, Policy, Rule
from libs.scope import Scope


class Fate(StrEnum):
    """Why a rule of a policy does not hold in the end."""

    REPLACED = "replaced"  # by the rule of the same id in a lower layer
    OVERRIDDEN = "overridden"  # a lower policy took the place of the whole policy
    NOT_SHARED = "not_shared"  # an intersection keeps what both have
    MANDATORY = "mandatory"  # a mandatory policy above has a rule of the same id


@dataclass(frozen=True, slots=True)
class Held:
    """A rule that holds, and where it comes from."""

    rule: Rule
    policy: Policy


@dataclass(frozen=True, slots=True)
class Dropped:
    """A rule that does not, and through which policy."""

    rule: Rule
    policy: Policy
    fate: Fate
    by: Policy


@dataclass(frozen=True, slots=True)
class Resolution:
    """What holds in a scope, in the order of keys, layers and rules; and what became of the
    rest."""

    held: Sequence[Held] = ()
    dropped: Sequence[Dropped] = ()
    policies: Sequence[Policy] = ()


def resolve(policies: Iterable[Policy], scope: Scope) -> Resolution:
    """What holds for a thing in `scope`."""
    here = sorted(
        (each for each in policies if each.applies_in(scope)),
        key=lambda each: (each.key, ORDER[each.layer], each.name),
    )
    by_key: dict[str, list[Policy]] = defaultdict(list)
    for policy in here:
        by_key[policy.key].append(policy)
    folds = [_fold(chain) for chain in by_key.values()]
    return Resolution(
        [each for fold in folds for each in fold.held.values()],
        [each for fold in folds for each in fold.dropped],
        here,
    )


@dataclass
class _Fold:
    """What holds so far, by the id of the rule."""

    held: dict[str, Held] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)

    def drop(self, rule_id: str, fate: Fate, by: Policy) -> None:
        """Unless it is mandatory."""
        old = self.held[rule_id]
        if not old.policy.mandatory:
            del self.held[rule_id]
            self.dropped.append(Dropped(old.rule, old.policy, fate, by))


def _fold(chain: Sequence[Policy]) -> _Fold:
    """`chain`: policies of one key, broadest first. Those of one layer add up."""
    fold, layer = _Fold(), None
    for policy in chain:
        merge = Merge.MERGE if policy.layer is layer else policy.merge
        _apply(fold, policy, merge if fold.held else Merge.MERGE)
        layer = policy.layer
    return fold


def _apply(fold: _Fold, policy: Policy, merge: Merge) -> None:
    own = {rule.id: rule for rule in policy.rules}
    above = frozenset(fold.held)
    for rule_id in above - own.keys():
        if merge is not Merge.MERGE:
            fate = Fate.OVERRIDDEN if merge is Merge.OVERRIDE else Fate.NOT_SHARED
            fold.drop(rule_id, fate, policy)
    for rule_id, rule in own.items():
        old = fold.held.get(rule_id)
        if old and old.policy.mandatory:
            fold.dropped.append(Dropped(rule, policy, Fate.MANDATORY, old.policy))
        elif merge is Merge.INTERSECT and not old:
            fold.dropped.append(Dropped(rule, policy, Fate.NOT_SHARED, policy))
        else:
            if old:
                fold.drop(rule_id, Fate.REPLACED, policy)
            fold.held[rule_id] = Held(rule, policy)
