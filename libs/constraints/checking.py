"""Judging a change set by the rules that hold in its scope. Pure.

A rule that demands presence looks at everything at once; the others look at each thing. What a
range of versions or a value is asked of and does not have counts against it, either way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from libs.constraints import EXISTENCE, Operator, PatternKind, Rule, Severity, Target
from libs.constraints.patterns import compiled, matcher
from libs.constraints.resolution import Held
from libs.constraints.versions import contains, readable

MOST_OF_A_RULE = 50  # violations that are told of one rule
MOST = 1000  # and of all


@dataclass(frozen=True, slots=True)
class File:
    """A file as it would be after the change; no content: only its path is judged."""

    path: str
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A dependency, an import or a config key, with where it stands.

    `qualifier` is a dependency's version or a key's value; None: not known.
    """

    name: str
    qualifier: str | None = None
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What is judged. `partial`: there is more that does not change and is not given, so that
    nothing can be said to be missing."""

    files: Sequence[File] = ()
    dependencies: Sequence[Named] = ()
    imports: Sequence[Named] = ()
    config: Sequence[Named] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is not kept, and where; "" and 0 where there is no such place."""

    held: Held
    path: str = ""
    line: int = 0
    found: str = ""  # the name, or the text of code
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All violations, the worst first; `cut`: there are more than are told."""

    violations: Sequence[Violation]
    judged: int  # rules
    skipped: int  # rules that a partial change set says nothing about
    cut: bool = False

    @property
    def valid(self) -> bool:
        """Whether nothing blocks."""
        return all(each.held.rule.severity is not Severity.BLOCK for each in self.violations)


_WORST_FIRST = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.INFO: 2}
_PRESENCE = (Operator.MUST_USE, Operator.MUST_EXIST)


def cost(held: Sequence[Held], changes: ChangeSet) -> tuple[int, int]:
    """How many characters of code, and how many names, are looked at to judge."""
    size = sum(len(file.content or "") for file in changes.files)
    names = {
        Target.FILE: len(changes.files),
        Target.CODE: len(changes.files),
        Target.DEPENDENCY: len(changes.dependencies),
        Target.IMPORT: len(changes.imports),
        Target.CONFIG: len(changes.config),
    }
    targets = [each.rule.target for each in held]
    return size * targets.count(Target.CODE), sum(names[target] for target in targets)


def check(held: Sequence[Held], changes: ChangeSet) -> Verdict:
    """Judges a change set by rules."""
    found: list[Violation] = []
    skipped, cut = 0, False
    for each in held:
        own = list(_violations(each, changes))
        found += own[:MOST_OF_A_RULE]
        cut = cut or len(own) > MOST_OF_A_RULE
        skipped += changes.partial and each.rule.operator in _PRESENCE
    found.sort(key=lambda each: _WORST_FIRST[each.held.rule.severity])
    return Verdict(found[:MOST], len(held) - skipped, skipped, cut or len(found) > MOST)


def _violations(held: Held, changes: ChangeSet) -> Iterator[Violation]:
    rule = held.rule
    things = [each for each in _things(rule, changes) if _concerns(rule, each.path)]
    if rule.operator in _PRESENCE:
        if not changes.partial and (things or not rule.applies_to):
            yield from _missing(held, things)
        yield from _unqualified(held, things) if _is_qualified(rule) else ()
        return
    judge = _JUDGES[rule.operator]
    for thing in things:
        if problem := judge(rule, thing):
            yield _at(held, thing, problem)


def _things(rule: Rule, changes: ChangeSet) -> Iterable[Named]:
    """What the rule looks at. A text of code is a thing with the place where it was found."""
    if rule.target is Target.FILE:
        return (Named(each.path, path=each.path) for each in changes.files)
    if rule.target is Target.CODE:
        return _code(rule, changes.files)
    named: Mapping[Target, Sequence[Named]] = {
        Target.DEPENDENCY: changes.dependencies,
        Target.IMPORT: changes.imports,
        Target.CONFIG: changes.config,
    }
    return named[rule.target]


def _code(rule: Rule, files: Iterable[File]) -> Iterator[Named]:
    """Files that have a content; the name is what was found in it, "" for nothing."""
    expression = compiled(rule.kind, rule.pattern)
    for file in files:
        if file.content is None or not _concerns(rule, file.path):
            continue
        match = expression.search(file.content)
        if match is None:
            yield Named("", path=file.path)
        else:
            line = file.content.count("\n", 0, match.start()) + 1
            yield Named(match.group()[:200], path=file.path, line=line)


def _concerns(rule: Rule, path: str) -> bool:
    """Whether a rule is about things in this file; what stands in none is everybody's."""
    if not rule.applies_to or not path:
        return True
    return any(compiled(PatternKind.GLOB, glob).fullmatch(path) for glob in rule.applies_to)


def _meant(rule: Rule, thing: Named) -> bool:
    """Whether the name is one that the rule means."""
    if rule.target is Target.CODE:
        return thing.line > 0
    return matcher(rule.kind, rule.target, rule.pattern)(thing.name)


def _is_qualified(rule: Rule) -> bool:
    return rule.operator not in EXISTENCE and bool(rule.versions or rule.value)


def _missing(held: Held, things: Sequence[Named]) -> Iterator[Violation]:
    if not any(_meant(held.rule, thing) for thing in things):
        yield Violation(held, problem="is missing")


def _unqualified(held: Held, things: Sequence[Named]) -> Iterator[Violation]:
    for thing in things:
        if problem := _badly_qualified(held.rule, thing):
            yield _at(held, thing, problem)


def _badly_qualified(rule: Rule, thing: Named) -> str:
    """What is wrong with the version or value of a thing that the rule means; "": nothing."""
    if not _meant(rule, thing):
        return ""
    if _unknown(rule, thing):
        return _UNKNOWN[rule.target]
    return "" if _qualifies(rule, thing) else _OUTSIDE[rule.target]


def _unknown(rule: Rule, thing: Named) -> bool:
    if thing.qualifier is None:
        return True
    return rule.target is Target.DEPENDENCY and not readable(thing.qualifier)


def _qualifies(rule: Rule, thing: Named) -> bool:
    """Whether a known version or value is one that the rule means."""
    assert thing.qualifier is not None  # it is known
    if rule.target is Target.DEPENDENCY:
        return contains(rule.versions, thing.qualifier)
    return compiled(PatternKind.REGEX, rule.value).search(thing.qualifier) is not None


def _forbidden(rule: Rule, thing: Named) -> str:
    if not _meant(rule, thing):
        return ""
    if not _is_qualified(rule):
        return "is not allowed"
    if _unknown(rule, thing):
        return _UNKNOWN[rule.target]
    return "is not allowed" if _qualifies(rule, thing) else ""


def _unmatched(rule: Rule, thing: Named) -> str:
    if _is_qualified(rule):
        return _badly_qualified(rule, thing)
    return "" if _meant(rule, thing) else "does not match"


_UNKNOWN = {Target.DEPENDENCY: "has an unknown version", Target.CONFIG: "has an unknown value"}
_OUTSIDE = {
    Target.DEPENDENCY: "has a version outside the range",
    Target.CONFIG: "has another value",
}
_JUDGES: Mapping[Operator, Callable[[Rule, Named], str]] = {
    Operator.MUST_NOT_USE: _forbidden,
    Operator.MUST_NOT_MATCH: _forbidden,
    Operator.MUST_NOT_EXIST: _forbidden,
    Operator.MUST_MATCH: _unmatched,
}


def _at(held: Held, thing: Named, problem: str) -> Violation:
    return Violation(held, thing.path, thing.line, thing.name, problem)
