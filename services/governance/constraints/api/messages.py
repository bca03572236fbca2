"""Between messages of the contract and policies, rules and verdicts; both ways."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from aeterna.governance.v1 import constraints_pb2 as pb
from libs.aip.paging import fitting
from libs.constraints import (
    Layer,
    Merge,
    Mode,
    Operator,
    PatternKind,
    Policy,
    Rule,
    Severity,
    Target,
    default_kind,
)
from libs.constraints.checking import ChangeSet, File, Named, Verdict, Violation
from libs.constraints.conflicts import Conflict, ConflictKind
from libs.constraints.drift import Finding
from libs.constraints.resolution import Fate, Held, Resolution
from libs.errors import invalid
from libs.service.convert import enum_from, scope_from, scope_to, timestamp
from services.governance.constraints.domain import etag_of
from services.governance.constraints.drift import Hidden, Report
from services.governance.constraints.operations import Draft, Told

POLICIES, REPORTS, SUPPRESSIONS = "constraintPolicies", "driftReports", "driftSuppressions"
E = TypeVar("E", bound=Enum)
_TOLD = 100  # conflicts of a policy, when it is written; all can be listed


def _numbers(kind: Any, prefix: str, values: type[E]) -> dict[int, E]:
    return {kind.Value(f"{prefix}_{each.name}"): each for each in values}


LAYERS = _numbers(pb.PolicyLayer, "POLICY_LAYER", Layer)
MODES = {0: Mode.OPTIONAL, **_numbers(pb.PolicyMode, "POLICY_MODE", Mode)}
MERGES = {0: Merge.MERGE, **_numbers(pb.PolicyMerge, "POLICY_MERGE", Merge)}
OPERATORS = _numbers(pb.RuleOperator, "RULE_OPERATOR", Operator)
TARGETS = _numbers(pb.RuleTarget, "RULE_TARGET", Target)
SEVERITIES = _numbers(pb.RuleSeverity, "RULE_SEVERITY", Severity)
_KINDS = _numbers(pb.PatternKind, "PATTERN_KIND", PatternKind)
_CONFLICTS = _numbers(pb.ConflictKind, "CONFLICT_KIND", ConflictKind)
_FATES = _numbers(pb.RuleFate, "RULE_FATE", Fate)


def _number(values: dict[int, E]) -> Callable[[E], Any]:
    known = {value: number for number, value in values.items()}
    return lambda value: known[value]


_layer, _mode, _merge = _number(LAYERS), _number(MODES), _number(MERGES)
_operator, _target, _severity = _number(OPERATORS), _number(TARGETS), _number(SEVERITIES)
_kind, _conflict_kind, _fate = _number(_KINDS), _number(_CONFLICTS), _number(_FATES)


def draft_from(message: pb.ConstraintPolicy, key: str) -> Draft:
    """The policy to create; `key` is that of the message, once it is checked."""
    return Draft(
        key=key,
        title=message.title,
        layer=enum_from(LAYERS, message.layer, "constraint_policy.layer"),
        scope=scope_from(message.scope),
        mode=MODES[message.mode],
        merge=MERGES[message.merge],
        rules=rules_from(message.rules),
    )


def rules_from(messages: Sequence[pb.Rule]) -> tuple[Rule, ...]:
    """The rules of a policy."""
    return tuple(
        _rule_from(message, f"constraint_policy.rules[{place}]")
        for place, message in enumerate(messages)
    )


def _rule_from(message: pb.Rule, path: str) -> Rule:
    texts = ("id", "pattern", "versions", "value", "message")
    for name in texts:
        if "\0" in getattr(message, name):
            raise invalid(f"{path}.{name}", "must not hold NUL")
    operator = enum_from(OPERATORS, message.operator, f"{path}.operator")
    target = enum_from(TARGETS, message.target, f"{path}.target")
    return Rule(
        id=message.id,
        operator=operator,
        target=target,
        pattern=message.pattern,
        kind=_KINDS.get(message.pattern_kind) or default_kind(operator, target),
        severity=enum_from(SEVERITIES, message.severity, f"{path}.severity"),
        versions=message.versions,
        value=message.value,
        applies_to=tuple(message.applies_to),
        message=message.message,
    )


def rule_to(rule: Rule) -> pb.Rule:
    """The message of a rule."""
    return pb.Rule(
        id=rule.id,
        operator=_operator(rule.operator),
        target=_target(rule.target),
        pattern=rule.pattern,
        pattern_kind=_kind(rule.kind),
        severity=_severity(rule.severity),
        versions=rule.versions,
        value=rule.value,
        applies_to=rule.applies_to,
        message=rule.message,
    )


def policy_to(told: Told) -> pb.ConstraintPolicy:
    """The message of a policy."""
    stored = told.policy.stored
    return pb.ConstraintPolicy(
        name=f"{POLICIES}/{stored.id}",
        key=stored.key,
        title=told.policy.title,
        layer=_layer(stored.layer),
        scope=scope_to(stored.scope),
        mode=_mode(stored.mode),
        merge=_merge(stored.merge),
        rules=map(rule_to, told.policy.rules),
        version=stored.version,
        etag=etag_of(stored.version),
        change_number=stored.number,
        author=stored.author,
        source=f"knowledgeItems/{stored.source}" if stored.source else "",
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
        conflicts=map(conflict_to, told.conflicts[:_TOLD]),
    )


def reference_to(rule: Rule, policy: Policy) -> pb.RuleReference:
    """Where a rule comes from."""
    return pb.RuleReference(
        policy=policy.name,
        key=policy.key,
        layer=_layer(policy.layer),
        rule=rule.id,
        policy_version=policy.version,
        mandatory=policy.mandatory,
    )


def conflict_to(conflict: Conflict) -> pb.ConstraintConflict:
    """The message of a conflict."""
    return pb.ConstraintConflict(
        kind=_conflict_kind(conflict.kind),
        one=reference_to(conflict.one.rule, conflict.one.policy),
        other=reference_to(conflict.other.rule, conflict.other.policy),
    )


def resolution_to(resolution: Resolution) -> pb.ResolveConstraintsResponse:
    """What holds in a scope, and what does not; as much as fits into an answer."""
    rules = [
        pb.HeldRule(rule=rule_to(each.rule), origin=reference_to(each.rule, each.policy))
        for each in resolution.held
    ]
    dropped = [
        pb.DroppedRule(
            origin=reference_to(each.rule, each.policy), fate=_fate(each.fate), by=each.by.name
        )
        for each in resolution.dropped
    ]
    shown = fitting(rules, lambda each: each.ByteSize()) if rules else []
    return pb.ResolveConstraintsResponse(
        rules=shown, dropped=dropped, truncated=len(shown) < len(rules)
    )


def changes_from(message: pb.ChangeSet) -> ChangeSet:
    """What is judged."""
    return ChangeSet(
        files=[
            File(each.path, each.content if each.HasField("content") else None)
            for each in message.files
        ],
        dependencies=[
            Named(
                each.name,
                each.version if each.HasField("version") else None,
                each.path,
                each.line,
            )
            for each in message.dependencies
        ],
        imports=[Named(each.module, path=each.path, line=each.line) for each in message.imports],
        config=[
            Named(each.key, each.value if each.HasField("value") else None, each.path, each.line)
            for each in message.config
        ],
        partial=message.partial,
    )


def verdict_to(verdict: Verdict) -> pb.CheckConstraintsResponse:
    """The outcome of a check; as much as fits into an answer."""
    violations = list(map(_violation, verdict.violations))
    shown = fitting(violations, lambda each: each.ByteSize()) if violations else []
    return pb.CheckConstraintsResponse(
        valid=verdict.valid,
        violations=shown,
        judged_rules=verdict.judged,
        skipped_rules=verdict.skipped,
        truncated=verdict.cut or len(shown) < len(violations),
    )


def _violation(violation: Violation) -> pb.Violation:
    held = violation.held
    return pb.Violation(
        rule=reference_to(held.rule, held.policy),
        severity=_severity(held.rule.severity),
        found=violation.found[:200],
        path=violation.path,
        line=violation.line,
        message=_said(held, violation.found, violation.problem),
    )


def _said(held: Held, found: str, problem: str) -> str:
    """`requests has a version outside the range (>=2.31): why that matters`."""
    rule = held.rule
    wanted = rule.versions or rule.value
    text = f"{found[:200] or rule.pattern} {problem}{f' ({wanted})' if wanted else ''}"
    return f"{text}: {rule.message}" if rule.message else text


def finding_to(finding: Finding) -> pb.DriftFinding:
    """The message of a finding."""
    return pb.DriftFinding(
        policy=finding.policy,
        key=finding.key,
        rule=finding.rule,
        severity=_severity(finding.severity),
        path=finding.path,
        line=finding.line,
        problem=finding.problem,
    )


def report_to(report: Report) -> pb.DriftReport:
    """The message of a report."""
    drift = report.drift
    return pb.DriftReport(
        name=f"{REPORTS}/{report.id}",
        scope=scope_to(report.scope),
        score=drift.score,
        drifted=drift.drifted,
        findings=map(finding_to, drift.findings),
        suppressed=drift.suppressed,
        new_findings=map(finding_to, report.new),
        resolved_findings=map(finding_to, report.resolved),
        missing_policies=drift.missing,
        stale_policies=drift.stale,
        previous=f"{REPORTS}/{report.previous}" if report.previous else "",
        create_time=timestamp(report.created_at),
    )


def suppression_to(hidden: Hidden) -> pb.DriftSuppression:
    """The message of a suppression."""
    stored = hidden.stored
    return pb.DriftSuppression(
        name=f"{SUPPRESSIONS}/{stored.id}",
        policy=f"{POLICIES}/{stored.policy}" if stored.policy else "",
        pattern=hidden.pattern,
        reason=hidden.reason,
        expire_time=timestamp(stored.expires_at),
        author=stored.author,
        create_time=timestamp(stored.created_at),
    )
