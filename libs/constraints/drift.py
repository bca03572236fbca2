"""How far a state is from the policies, and what changed since the last look. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.constraints import PatternKind, Severity
from libs.constraints.checking import Verdict, Violation
from libs.constraints.patterns import compiled
from libs.constraints.resolution import Resolution

WEIGHTS: Mapping[Severity, float] = {Severity.INFO: 0.1, Severity.WARN: 0.5, Severity.BLOCK: 1.0}
THRESHOLD = 0.2  # a score above is drift


@dataclass(frozen=True, slots=True)
class Suppression:
    """Findings that do not count until a moment: those of a policy, or whose text matches.

    Attributes:
        policy: Its name, "" for any.
        pattern: A regular expression of `policy key/rule id path`, "" for any.
    """

    policy: str
    pattern: str
    expires_at: datetime

    def hides(self, finding: "Finding", now: datetime) -> bool:
        """Whether the finding does not count."""
        if now >= self.expires_at or self.policy not in ("", finding.policy):
            return False
        if not self.pattern:
            return True
        return compiled(PatternKind.REGEX, self.pattern).search(finding.text) is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is not kept at a place: the same as long as it is, wherever its line moves."""

    policy: str
    key: str
    rule: str
    severity: Severity
    path: str
    line: int
    problem: str
    subject: str  # a digest of what was found

    @property
    def text(self) -> str:
        """What suppressions match."""
        return f"{self.key}/{self.rule} {self.path}"

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes it the same finding at another time."""
        return self.policy, self.rule, self.path, self.subject


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a state is from what holds.

    Attributes:
        score: 0 to 1: the weight of rules that are not kept, in the weight of all that hold; a
            mandatory policy that was not adopted weighs 1, an adopted one that is out of date 0.5.
        missing: Names of mandatory policies that were not adopted.
        stale: Names of policies that were adopted in an earlier version.
    """

    score: float
    findings: Sequence[Finding]
    suppressed: int
    missing: Sequence[str]
    stale: Sequence[str]

    @property
    def drifted(self) -> bool:
        return self.score > THRESHOLD


@dataclass(frozen=True, slots=True)
class Difference:
    """What two looks at the same scope differ in."""

    new: Sequence[Finding]
    resolved: Sequence[Finding]


def measure(
    resolution: Resolution,
    verdict: Verdict,
    adopted: Mapping[str, int] | None,
    suppressions: Iterable[Suppression],
    now: datetime,
) -> Drift:
    """`adopted`: versions of policies by name that the state was made for; None: not known."""
    known = list(suppressions)
    found = [_finding(each) for each in verdict.violations]
    counted = [each for each in found if not any(one.hides(each, now) for one in known)]
    missing, stale = _adoption(resolution, adopted)
    score = _score(resolution, counted, len(missing), len(stale))
    return Drift(score, counted, len(found) - len(counted), missing, stale)


def compare(before: Collection[Finding], after: Collection[Finding]) -> Difference:
    """What came and what went."""
    then = {each.identity for each in before}
    now = {each.identity for each in after}
    return Difference(
        [each for each in after if each.identity not in then],
        [each for each in before if each.identity not in now],
    )


def _finding(violation: Violation) -> Finding:
    policy, rule = violation.held.policy, violation.held.rule
    digest = hashlib.sha256(violation.found.encode()).hexdigest()[:16] if violation.found else ""
    return Finding(
        policy=policy.name,
        key=policy.key,
        rule=rule.id,
        severity=rule.severity,
        path=violation.path,
        line=violation.line,
        problem=violation.problem,
        subject=digest,
    )


def _adoption(
    resolution: Resolution, adopted: Mapping[str, int] | None
) -> tuple[list[str], list[str]]:
    if adopted is None:
        return [], []
    missing = [
        each.name for each in resolution.policies if each.mandatory and each.name not in adopted
    ]
    stale = [
        each.name
        for each in resolution.policies
        if each.name in adopted and adopted[each.name] < each.version
    ]
    return missing, stale


def _score(resolution: Resolution, findings: Sequence[Finding], missing: int, stale: int) -> float:
    weights = {
        (each.policy.name, each.rule.id): WEIGHTS[each.rule.severity] for each in resolution.held
    }
    broken = {(each.policy, each.rule) for each in findings}
    total = sum(weights.values()) + missing + stale * WEIGHTS[Severity.WARN]
    if not total:
        return 0.0
    lost = sum(weights.get(each, 0.0) for each in broken)
    return (lost + missing + stale * WEIGHTS[Severity.WARN]) / total
