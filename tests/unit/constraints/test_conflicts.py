"""Conflicts: what is told as certain cannot be kept, shown by trying."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.constraints import Layer, Mode, Operator, PatternKind, Rule, Target
from libs.constraints.checking import ChangeSet, File, Named, check
from libs.constraints.conflicts import ConflictKind, conflict_of, conflicts
from libs.constraints.resolution import Held
from libs.constraints.validation import check_rules
from libs.errors import InvalidRequest
from libs.scope import Scope
from tests.unit.constraints.factories import policy, rule

NAMES = ("a", "b", "ab", "a/b")
PATTERNS = {
    PatternKind.EXACT: st.sampled_from(NAMES),
    PatternKind.GLOB: st.sampled_from(["*", "**", "a*", "b", "?", "a/*", "{a,b}"]),
    PatternKind.REGEX: st.sampled_from(["a", "^a$", "^b", ".", "b$"]),
}
VERSIONS = st.sampled_from(["", ">=2", "<2", "==1", ">=1,<3"])


@st.composite
def rules(draw: st.DrawFn, target: Target) -> Rule:
    kind = draw(st.sampled_from(PatternKind))
    versions = draw(VERSIONS) if target is Target.DEPENDENCY else ""
    found = rule(
        operator=draw(st.sampled_from(Operator)),
        target=target,
        kind=kind,
        pattern=draw(PATTERNS[kind]),
        versions=versions,
    )
    try:
        check_rules([found], "rules")
    except InvalidRequest:
        return draw(rules(target))
    return found


def _change_sets(target: Target) -> list[ChangeSet]:
    """Every small one."""
    if target is Target.FILE:
        things: list[Any] = [File(name) for name in NAMES]
        return [ChangeSet(files=some) for some in _subsets(things)]
    if target is Target.CODE:
        return [ChangeSet(files=[File("f", text)]) for text in ("", "a", "b", "ab", "ba", "a/b")]
    if target is Target.IMPORT:
        return [ChangeSet(imports=some) for some in _subsets([Named(name) for name in NAMES])]
    things = [Named(name, version) for name in NAMES[:3] for version in ("1", "2.5")]
    return [ChangeSet(dependencies=some) for some in _subsets(things)]


def _subsets(things: list[Any]) -> list[list[Any]]:
    return [
        [each for place, each in enumerate(things) if bits >> place & 1]
        for bits in range(2 ** len(things))
    ]


@given(st.data(), st.sampled_from([Target.FILE, Target.CODE, Target.IMPORT, Target.DEPENDENCY]))
def test_no_change_set_keeps_rules_that_are_certain_to_conflict(
    data: st.DataObject, target: Target
) -> None:
    one, other = data.draw(rules(target)), data.draw(rules(target))
    kind = conflict_of(one, other)
    if kind in (None, ConflictKind.OVERLAP):
        return
    held = [Held(each, policy(each)) for each in (one, other)]
    wanting = Operator.MUST_USE, Operator.MUST_EXIST

    for changes in _change_sets(target):
        kept = not check(held, changes).violations
        absent = kind is ConflictKind.VERSIONS and one.operator not in wanting
        assert not kept or absent


@given(st.data(), st.sampled_from(Target))
def test_it_does_not_matter_which_rule_comes_first(data: st.DataObject, target: Target) -> None:
    one, other = data.draw(rules(target)), data.draw(rules(target))

    assert conflict_of(one, other) is conflict_of(other, one)


def _demand(**values: Any) -> Rule:
    return rule(**{"operator": Operator.MUST_USE, "target": Target.DEPENDENCY, **values})


def _forbid(**values: Any) -> Rule:
    return rule(**{"operator": Operator.MUST_NOT_USE, "target": Target.DEPENDENCY, **values})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (_demand(), _forbid(), ConflictKind.DEMANDED_AND_FORBIDDEN),
        (_demand(), _forbid(pattern="Requests"), ConflictKind.DEMANDED_AND_FORBIDDEN),
        (_demand(), _forbid(target=Target.IMPORT), None),
        (_demand(), _forbid(versions="<2"), None),
        (_demand(versions="<1"), _forbid(versions="<2"), ConflictKind.DEMANDED_AND_FORBIDDEN),
        (_demand(versions=">=2"), _demand(versions="<2"), ConflictKind.VERSIONS),
        (_demand(versions=">=2"), _demand(versions=">=3"), None),
        (
            _demand(),
            _forbid(pattern="req*", kind=PatternKind.GLOB),
            ConflictKind.DEMANDED_AND_FORBIDDEN,
        ),
        (
            _demand(pattern="re*", kind=PatternKind.GLOB),
            _forbid(pattern="*s", kind=PatternKind.GLOB),
            ConflictKind.OVERLAP,
        ),
        (
            _demand(),
            _forbid(operator=Operator.MUST_MATCH, pattern="^httpx$", kind=PatternKind.REGEX),
            ConflictKind.EXCLUDED_BY_MATCH,
        ),
    ],
)
def test_examples(one: Rule, other: Rule, expected: ConflictKind | None) -> None:
    assert conflict_of(one, other) is expected


def test_rules_of_scopes_that_never_meet_do_not_conflict() -> None:
    one = policy(_demand(id="a"), layer=Layer.TEAM, scope=Scope(team_id="t"))
    other = policy(_forbid(id="b"), layer=Layer.TEAM, scope=Scope(team_id="u"))
    everywhere = policy(_forbid(id="b"), mode=Mode.MANDATORY)

    assert conflicts([one, other]) == []
    assert len(conflicts([one, everywhere])) == 1


def test_rules_about_different_files_do_not_conflict() -> None:
    assert not conflict_of(_demand(applies_to=("a/**",)), _forbid(applies_to=("b/**",)))
    assert conflict_of(_demand(applies_to=("a/**",)), _forbid(applies_to=("**/x.toml",)))


def test_versions_of_one_rule_do_not_conflict() -> None:
    """No more than one of them holds in any scope."""
    assert conflicts([policy(_demand()), policy(_forbid(), layer=Layer.TEAM)]) == []
