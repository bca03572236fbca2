"""What policies demand of files, code, dependencies, imports and configuration. Pure.

A rule demands or forbids; policies hold rules and belong to a layer. Who keeps policies and who
judges by them is others' business; `store` alone knows tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from libs.scope import Scope


class Layer(StrEnum):
    """How broadly a policy applies, broadest first: the order in which they are resolved."""

    COMPANY = "company"
    ORG = "org"
    TEAM = "team"
    PROJECT = "project"


# The ids that a layer is bound to; it needs the first of them.
BINDING: Mapping[Layer, tuple[str, ...]] = {
    Layer.COMPANY: (),
    Layer.ORG: ("org_id",),
    Layer.TEAM: ("team_id", "org_id"),
    Layer.PROJECT: ("project_id", "team_id", "org_id"),
}
POLICY_IDS = ("org_id", "team_id", "project_id")
ORDER: Mapping[Layer, int] = {layer: place for place, layer in enumerate(Layer)}


class Operator(StrEnum):
    """What a rule asks for."""

    MUST_USE = "must_use"
    MUST_NOT_USE = "must_not_use"
    MUST_MATCH = "must_match"
    MUST_NOT_MATCH = "must_not_match"
    MUST_EXIST = "must_exist"
    MUST_NOT_EXIST = "must_not_exist"


DEMANDS = frozenset({Operator.MUST_USE, Operator.MUST_EXIST})  # something has to be there
FORBIDS = frozenset({Operator.MUST_NOT_USE, Operator.MUST_NOT_MATCH, Operator.MUST_NOT_EXIST})
EXISTENCE = frozenset({Operator.MUST_EXIST, Operator.MUST_NOT_EXIST})


class Target(StrEnum):
    """What a rule looks at."""

    FILE = "file"  # paths
    CODE = "code"  # contents of files
    DEPENDENCY = "dependency"  # names and versions
    IMPORT = "import"  # names of modules
    CONFIG = "config"  # keys and values


class Severity(StrEnum):
    """How bad a violation is; only `block` makes a change set invalid."""

    INFO = "info"
    WARN = "warn"
    BLOCK = "block"


class PatternKind(StrEnum):
    """How a pattern is read."""

    EXACT = "exact"
    GLOB = "glob"
    REGEX = "regex"


class Mode(StrEnum):
    """Whether lower layers may change what a policy says."""

    OPTIONAL = "optional"
    MANDATORY = "mandatory"


class Merge(StrEnum):
    """What a policy does to the policies of the same key in the layers above it."""

    OVERRIDE = "override"
    MERGE = "merge"
    INTERSECT = "intersect"


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand.

    Attributes:
        id: Unique in its policy; rules of one id in several layers are versions of one rule.
        pattern: Of names: paths, modules, dependencies, keys; for code, of what files contain.
        versions: For dependencies of that name: PEP 440 specifiers, "" for any.
        value: For config keys of that name: a regular expression of their values, "" for any.
        applies_to: Globs of the paths that the rule is about; none: all.
    """

    id: str
    operator: Operator
    target: Target
    pattern: str
    kind: PatternKind
    severity: Severity
    versions: str = ""
    value: str = ""
    applies_to: tuple[str, ...] = ()
    message: str = ""


# How patterns are read where a rule does not say.
DEFAULT_KIND: Mapping[Operator, PatternKind] = {
    Operator.MUST_USE: PatternKind.EXACT,
    Operator.MUST_NOT_USE: PatternKind.EXACT,
    Operator.MUST_MATCH: PatternKind.REGEX,
    Operator.MUST_NOT_MATCH: PatternKind.REGEX,
    Operator.MUST_EXIST: PatternKind.GLOB,
    Operator.MUST_NOT_EXIST: PatternKind.GLOB,
}


def default_kind(operator: Operator, target: Target) -> PatternKind:
    """The same, but contents of files are no paths: they are searched for the text itself."""
    kind = DEFAULT_KIND[operator]
    return PatternKind.EXACT if (target, kind) == (Target.CODE, PatternKind.GLOB) else kind


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules of one layer and scope. `name` and `version` say where they stand."""

    name: str
    version: int
    key: str  # policies of one key in several layers are resolved together
    layer: Layer
    scope: Scope
    mode: Mode
    merge: Merge
    rules: Sequence[Rule]

    @property
    def mandatory(self) -> bool:
        return self.mode is Mode.MANDATORY

    def bound(self) -> dict[str, str]:
        """The ids that decide where it applies."""
        return self.scope.restrict(BINDING[self.layer])

    def applies_in(self, scope: Scope) -> bool:
        """Whether a thing in this scope is subject to it."""
        return all(getattr(scope, name) == value for name, value in self.bound().items())

    def meets(self, other: "Policy") -> bool:
        """Whether some scope may be subject to both: no id contradicts."""
        ours, theirs = self.bound(), other.bound()
        return all(theirs.get(name, value) == value for name, value in ours.items())
