"""Which rules are refused, and which field of them is wrong. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from libs.constraints import EXISTENCE, PatternKind, Rule, Target
from libs.constraints.globs import BadGlob
from libs.constraints.globs import parse as parse_glob
from libs.constraints.patterns import BadPattern, compiled
from libs.constraints.versions import BadRange
from libs.constraints.versions import parse as parse_range
from libs.errors import FieldViolation, InvalidRequest

MAX_RULES = 200  # of a policy
MAX_GLOBS = 32  # of a rule
MAX_MESSAGE = 1024  # characters
MAX_TEXT = 2**18  # characters of all rules of a policy
_ID = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


def check_rules(rules: Sequence[Rule], field: str) -> None:
    """Raises InvalidRequest with every field that is wrong; `field` is the path of the list."""
    violations = list(_violations(rules, field))
    if violations:
        raise InvalidRequest(violations)


def _violations(rules: Sequence[Rule], field: str) -> Iterator[FieldViolation]:
    if not 0 < len(rules) <= MAX_RULES:
        yield FieldViolation(field, f"must be 1 to {MAX_RULES} rules")
    if sum(map(_size, rules)) > MAX_TEXT:
        yield FieldViolation(field, f"must have at most {MAX_TEXT} characters in all")
    counts = Counter(rule.id for rule in rules)
    for place, rule in enumerate(rules):
        path = f"{field}[{place}]"
        if not _ID.fullmatch(rule.id):
            yield FieldViolation(f"{path}.id", "must be 1 to 64 of a-z, 0-9 and inner . _ -")
        elif counts[rule.id] > 1:
            yield FieldViolation(f"{path}.id", "must be unique in its policy")
        yield from _of_rule(rule, path)


def _size(rule: Rule) -> int:
    texts = (rule.id, rule.pattern, rule.versions, rule.value, rule.message, *rule.applies_to)
    return sum(map(len, texts))


def _of_rule(rule: Rule, path: str) -> Iterator[FieldViolation]:
    if rule.kind is PatternKind.GLOB and rule.target is Target.CODE:
        yield FieldViolation(f"{path}.pattern_kind", "must be exact or regex for code")
    if len(rule.message) > MAX_MESSAGE:
        yield FieldViolation(f"{path}.message", f"must have at most {MAX_MESSAGE} characters")
    yield from _of_pattern(rule, path)
    yield from _of_versions(rule, path)
    yield from _of_value(rule, path)
    yield from _of_paths(rule, path)


def _of_pattern(rule: Rule, path: str) -> Iterator[FieldViolation]:
    try:
        compiled(rule.kind, rule.pattern)
    except BadPattern as exc:
        yield FieldViolation(f"{path}.pattern", str(exc))
    if rule.target is Target.DEPENDENCY and rule.kind is PatternKind.GLOB and "[" in rule.pattern:
        yield FieldViolation(f"{path}.pattern", "brackets are not for names of dependencies")


def _of_versions(rule: Rule, path: str) -> Iterator[FieldViolation]:
    if not rule.versions:
        return
    if rule.target is not Target.DEPENDENCY or rule.operator in EXISTENCE:
        message = "is for must_use, must_not_use, must_match and must_not_match of dependencies"
        yield FieldViolation(f"{path}.versions", message)
    try:
        parse_range(rule.versions)
    except BadRange as exc:
        yield FieldViolation(f"{path}.versions", str(exc))


def _of_value(rule: Rule, path: str) -> Iterator[FieldViolation]:
    if not rule.value:
        return
    if rule.target is not Target.CONFIG or rule.operator in EXISTENCE:
        message = "is for must_use, must_not_use, must_match and must_not_match of config"
        yield FieldViolation(f"{path}.value", message)
    try:
        compiled(PatternKind.REGEX, rule.value)
    except BadPattern as exc:
        yield FieldViolation(f"{path}.value", str(exc))


def _of_paths(rule: Rule, path: str) -> Iterator[FieldViolation]:
    if len(rule.applies_to) > MAX_GLOBS:
        yield FieldViolation(f"{path}.applies_to", f"must be at most {MAX_GLOBS} globs")
    for place, glob in enumerate(rule.applies_to):
        try:
            parse_glob(glob)
        except BadGlob as exc:
            yield FieldViolation(f"{path}.applies_to[{place}]", str(exc))
