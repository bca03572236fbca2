"""Rules that cannot all be kept. Pure.

What is told is certain, but for `OVERLAP`: a glob that demands may be satisfied by a name that the
glob which forbids does not mean. Two regular expressions are never guessed about.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from libs.constraints import (
    DEMANDS,
    EXISTENCE,
    FORBIDS,
    Operator,
    PatternKind,
    Policy,
    Rule,
    Target,
)
from libs.constraints.globs import Glob, parse
from libs.constraints.patterns import fits, plain
from libs.constraints.resolution import Held
from libs.constraints.versions import disjoint, within


class ConflictKind(StrEnum):
    """Why two rules exclude each other."""

    DEMANDED_AND_FORBIDDEN = "demanded_and_forbidden"
    VERSIONS = "versions"
    EXCLUDED_BY_MATCH = "excluded_by_match"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two rules that cannot both be kept."""

    kind: ConflictKind
    one: Held
    other: Held

    @property
    def certain(self) -> bool:
        """Whether no change set whatever keeps both."""
        return self.kind is not ConflictKind.OVERLAP


def conflicts(policies: Iterable[Policy]) -> list[Conflict]:
    """Between rules of policies that some scope may be subject to; in the order of policies."""
    held = [Held(rule, policy) for policy in policies for rule in policy.rules]
    return list(_between(combinations(held, 2)))


def conflicts_with(policy: Policy, others: Sequence[Policy]) -> list[Conflict]:
    """Those that one policy has within itself and with others."""
    own = [Held(rule, policy) for rule in policy.rules]
    rest = [Held(rule, other) for other in others for rule in other.rules]
    pairs = [*combinations(own, 2), *((one, other) for one in own for other in rest)]
    return list(_between(pairs))


def _between(pairs: Iterable[tuple[Held, Held]]) -> Iterator[Conflict]:
    for one, other in pairs:
        if one.rule.target is not other.rule.target or not _opposed(one.rule, other.rule):
            continue  # most: told apart without a closer look
        if _versions_of_one_rule(one, other) or not one.policy.meets(other.policy):
            continue
        kind = conflict_of(one.rule, other.rule)
        if kind:
            yield Conflict(kind, one, other)


def _opposed(one: Rule, other: Rule) -> bool:
    return (
        one.operator in DEMANDS
        or other.operator in DEMANDS
        or bool(one.versions and other.versions)
    )


def _versions_of_one_rule(one: Held, other: Held) -> bool:
    """Layers replace one another's rules of the same id: no more than one of them holds."""
    return one.policy.key == other.policy.key and one.rule.id == other.rule.id


def conflict_of(one: Rule, other: Rule) -> ConflictKind | None:
    """Why no change set can keep both rules, None if one may."""
    if one.target is not other.target or not _same_paths(one, other):
        return None
    for first, second in ((one, other), (other, one)):
        if first.operator in DEMANDS and (kind := _against(first, second)):
            return kind
    return ConflictKind.VERSIONS if _versions_contradict(one, other) else None


def _against(demanding: Rule, other: Rule) -> ConflictKind | None:
    """What a rule has against what is demanded."""
    if _excludes(other, demanding):
        return ConflictKind.EXCLUDED_BY_MATCH
    if other.operator not in FORBIDS:
        return None
    if _forbids(other, demanding):
        return ConflictKind.DEMANDED_AND_FORBIDDEN
    return ConflictKind.OVERLAP if _overlaps(other, demanding) else None


def _same_paths(one: Rule, other: Rule) -> bool:
    """Whether the rules are about some path both; a demand for presence counts wherever its
    opposite looks."""
    if not one.applies_to or not other.applies_to:
        return True
    return any(
        parse(ours).meets(parse(theirs)) for ours in one.applies_to for theirs in other.applies_to
    )


def _forbids(forbidding: Rule, demanding: Rule) -> bool:
    """Whether everything that would satisfy the demand is forbidden."""
    if not _covers(forbidding, demanding):
        return False
    if not _qualified(forbidding):
        return True
    if forbidding.target is Target.DEPENDENCY and demanding.operator is Operator.MUST_USE:
        return within(demanding.versions, forbidding.versions)
    return False


def _excludes(matching: Rule, demanding: Rule) -> bool:
    """Whether every name has to match, and what is demanded does not."""
    return (
        matching.operator is Operator.MUST_MATCH
        and matching.target is not Target.CODE  # other texts may stand beside it
        and not _qualified(matching)
        and demanding.kind is PatternKind.EXACT
        and not fits(matching.kind, matching.target, matching.pattern, demanding.pattern)
    )


def _versions_contradict(one: Rule, other: Rule) -> bool:
    """Whether both want the same dependency, in versions that exclude each other; at least one
    of them insists on its presence."""
    wanting = (Operator.MUST_USE, Operator.MUST_MATCH)
    return (
        bool(one.versions and other.versions)
        and one.operator in wanting
        and other.operator in wanting
        and one.kind is other.kind is PatternKind.EXACT
        and plain(one.pattern) == plain(other.pattern)
        and disjoint(one.versions, other.versions)
    )


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether all names that `narrow` means are certain to be among those that `wide` means."""
    if narrow.kind is PatternKind.EXACT:
        return _holds(wide, narrow.pattern)
    return (wide.kind, wide.pattern) == (narrow.kind, narrow.pattern)


def _overlaps(forbidding: Rule, demanding: Rule) -> bool:
    """Whether some name is meant by both, of globs."""
    if demanding.kind is not PatternKind.GLOB or forbidding.kind is PatternKind.REGEX:
        return False
    return not _qualified(forbidding) and _glob(forbidding).meets(_glob(demanding))


def _holds(rule: Rule, name: str) -> bool:
    if rule.target is Target.CODE and rule.kind is PatternKind.EXACT:
        return rule.pattern in name  # wherever the longer text stands, the shorter one does
    if rule.target is Target.CODE and _looks_around(rule.pattern):
        return False  # it depends on what stands beside the text
    return fits(rule.kind, rule.target, rule.pattern, name)


def _looks_around(expression: str) -> bool:
    return any(each in expression for each in ("^", "$", r"\A", r"\b", r"\B", r"\z"))


def _glob(rule: Rule) -> Glob:
    pattern = plain(rule.pattern) if rule.target is Target.DEPENDENCY else rule.pattern
    return parse(_escaped(pattern) if rule.kind is PatternKind.EXACT else pattern)


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in r"*?[]{}\!^" else each for each in text)


def _qualified(rule: Rule) -> bool:
    return rule.operator not in EXISTENCE and bool(rule.versions or rule.value)
