"""Constraints, and what breaks them."""

from typing import Any

from google.protobuf.message import Message

from aeterna.governance.v1 import constraints_pb2
from cli.views.cells import Columns, enum, scope, time


def _rule(reference: constraints_pb2.RuleReference) -> str:
    """`http-clients/no-requests (team)`."""
    layer = enum(constraints_pb2.PolicyLayer, reference.layer)
    return f"{reference.key}/{reference.rule} ({layer})"


def _severity(value: int) -> str:
    return enum(constraints_pb2.RuleSeverity, value)


def _place(each: Any) -> str:
    return f"{each.path}:{each.line}" if each.line else each.path


COLUMNS: dict[type[Message], Columns] = {
    constraints_pb2.ConstraintPolicy: {
        "NAME": lambda each: each.name,
        "KEY": lambda each: each.key,
        "LAYER": lambda each: enum(constraints_pb2.PolicyLayer, each.layer),
        "SCOPE": lambda each: scope(each.scope),
        "MODE": lambda each: enum(constraints_pb2.PolicyMode, each.mode),
        "V": lambda each: str(each.version),
        "RULES": lambda each: str(len(each.rules)),
        "TITLE": lambda each: each.title,
    },
    constraints_pb2.HeldRule: {
        "RULE": lambda each: _rule(each.origin),
        "SEVERITY": lambda each: _severity(each.rule.severity),
        "OPERATOR": lambda each: enum(constraints_pb2.RuleOperator, each.rule.operator),
        "TARGET": lambda each: enum(constraints_pb2.RuleTarget, each.rule.target),
        "PATTERN": lambda each: each.rule.pattern,
    },
    constraints_pb2.Violation: {
        "SEVERITY": lambda each: _severity(each.severity),
        "PLACE": _place,
        "RULE": lambda each: _rule(each.rule),
        "MESSAGE": lambda each: each.message,
    },
    constraints_pb2.ConstraintConflict: {
        "KIND": lambda each: enum(constraints_pb2.ConflictKind, each.kind),
        "ONE": lambda each: _rule(each.one),
        "OTHER": lambda each: _rule(each.other),
    },
    constraints_pb2.DriftReport: {
        "NAME": lambda each: each.name,
        "SCOPE": lambda each: scope(each.scope),
        "SCORE": lambda each: f"{each.score:.2f}",
        "FINDINGS": lambda each: str(len(each.findings)),
        "NEW": lambda each: str(len(each.new_findings)),
        "RESOLVED": lambda each: str(len(each.resolved_findings)),
        "CREATED": lambda each: time(each.create_time),
    },
    constraints_pb2.DriftSuppression: {
        "NAME": lambda each: each.name,
        "POLICY": lambda each: each.policy,
        "PATTERN": lambda each: each.pattern,
        "EXPIRES": lambda each: time(each.expire_time),
        "REASON": lambda each: each.reason,
    },
}
