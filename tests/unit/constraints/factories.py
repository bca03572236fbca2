"""Rules and policies with defaults."""

from typing import Any

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
)
from libs.constraints.resolution import Held
from libs.scope import Scope

HERE = Scope(org_id="o", team_id="t", project_id="p")


def rule(**values: Any) -> Rule:
    defaults: dict[str, Any] = {
        "id": "r",
        "operator": Operator.MUST_NOT_USE,
        "target": Target.IMPORT,
        "pattern": "requests",
        "kind": PatternKind.EXACT,
        "severity": Severity.BLOCK,
    }
    return Rule(**{**defaults, **values})


def policy(*rules: Rule, **values: Any) -> Policy:
    defaults: dict[str, Any] = {
        "name": "constraintPolicies/1",
        "version": 1,
        "key": "k",
        "layer": Layer.COMPANY,
        "scope": HERE,
        "mode": Mode.OPTIONAL,
        "merge": Merge.MERGE,
    }
    return Policy(**{**defaults, **values}, rules=rules)


def held(**values: Any) -> list[Held]:
    """One rule that holds."""
    single = rule(**values)
    return [Held(single, policy(single))]
