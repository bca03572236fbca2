"""Judging change sets: each operator on each target, places, severities."""

from typing import Any

import pytest

from libs.constraints import Operator, PatternKind, Severity, Target
from libs.constraints.checking import MOST_OF_A_RULE, ChangeSet, File, Named, check
from tests.unit.constraints.factories import held

USE, NOT_USE = Operator.MUST_USE, Operator.MUST_NOT_USE
MATCH, NOT_MATCH = Operator.MUST_MATCH, Operator.MUST_NOT_MATCH
EXIST, NOT_EXIST = Operator.MUST_EXIST, Operator.MUST_NOT_EXIST
REGEX, GLOB, EXACT = PatternKind.REGEX, PatternKind.GLOB, PatternKind.EXACT

CHANGES = ChangeSet(
    files=[
        File("src/app.py", "import os\nprint('hi')\n"),
        File("src/db.py", "import sqlite3\n"),
        File("docs/a.md"),
    ],
    dependencies=[
        Named("requests", "2.20.0", "uv.lock", 7),
        Named("flask", "3.0"),
        Named("left-pad"),
    ],
    imports=[Named("os", path="src/app.py", line=1), Named("sqlite3", path="src/db.py", line=1)],
    config=[Named("server.debug", "true", "app.toml", 3), Named("server.port")],
)


def found(**values: Any) -> list[tuple[str, int, str]]:
    """Where a rule is not kept, and what is wrong there."""
    verdict = check(held(**values), CHANGES)
    return [(each.path, each.line, each.problem) for each in verdict.violations]


FORBIDDEN, MISSING, UNMATCHED = "is not allowed", "is missing", "does not match"


@pytest.mark.parametrize(
    ("operator", "target", "kind", "pattern", "expected"),
    [
        (USE, Target.FILE, EXACT, "docs/a.md", []),
        (USE, Target.FILE, EXACT, "docs/b.md", [("", 0, MISSING)]),
        (NOT_USE, Target.FILE, EXACT, "docs/a.md", [("docs/a.md", 0, FORBIDDEN)]),
        (MATCH, Target.FILE, REGEX, "^(src|docs)/", []),
        (MATCH, Target.FILE, REGEX, "^src/", [("docs/a.md", 0, UNMATCHED)]),
        (NOT_MATCH, Target.FILE, REGEX, r"\.md$", [("docs/a.md", 0, FORBIDDEN)]),
        (EXIST, Target.FILE, GLOB, "**/*.py", []),
        (EXIST, Target.FILE, GLOB, "LICENSE", [("", 0, MISSING)]),
        (NOT_EXIST, Target.FILE, GLOB, "docs/*", [("docs/a.md", 0, FORBIDDEN)]),
        (USE, Target.CODE, EXACT, "print(", []),
        (USE, Target.CODE, EXACT, "logging", [("", 0, MISSING)]),
        (NOT_USE, Target.CODE, EXACT, "print(", [("src/app.py", 2, FORBIDDEN)]),
        (MATCH, Target.CODE, REGEX, r"\Aimport os", [("src/db.py", 0, UNMATCHED)]),
        (NOT_MATCH, Target.CODE, REGEX, r"(?m)^import s", [("src/db.py", 1, FORBIDDEN)]),
        (EXIST, Target.CODE, EXACT, "sqlite3", []),
        (NOT_EXIST, Target.CODE, EXACT, "sqlite3", [("src/db.py", 1, FORBIDDEN)]),
        (USE, Target.DEPENDENCY, EXACT, "Flask", []),
        (NOT_USE, Target.DEPENDENCY, EXACT, "left_pad", [("", 0, FORBIDDEN)]),
        (
            MATCH,
            Target.DEPENDENCY,
            REGEX,
            "^[fr]",
            [("", 0, UNMATCHED)],
        ),
        (NOT_MATCH, Target.DEPENDENCY, REGEX, "^req", [("uv.lock", 7, FORBIDDEN)]),
        (EXIST, Target.DEPENDENCY, GLOB, "left-*", []),
        (NOT_EXIST, Target.DEPENDENCY, GLOB, "left-*", [("", 0, FORBIDDEN)]),
        (USE, Target.IMPORT, EXACT, "logging", [("", 0, MISSING)]),
        (NOT_USE, Target.IMPORT, EXACT, "sqlite3", [("src/db.py", 1, FORBIDDEN)]),
        (MATCH, Target.IMPORT, REGEX, "^os", [("src/db.py", 1, UNMATCHED)]),
        (NOT_MATCH, Target.IMPORT, REGEX, "^os$", [("src/app.py", 1, FORBIDDEN)]),
        (EXIST, Target.IMPORT, GLOB, "sql*", []),
        (NOT_EXIST, Target.IMPORT, GLOB, "sql*", [("src/db.py", 1, FORBIDDEN)]),
        (USE, Target.CONFIG, EXACT, "server.tls", [("", 0, MISSING)]),
        (NOT_USE, Target.CONFIG, EXACT, "server.debug", [("app.toml", 3, FORBIDDEN)]),
        (MATCH, Target.CONFIG, REGEX, "^server", []),
        (NOT_MATCH, Target.CONFIG, REGEX, "debug", [("app.toml", 3, FORBIDDEN)]),
        (EXIST, Target.CONFIG, GLOB, "server.*", []),
        (NOT_EXIST, Target.CONFIG, GLOB, "server.d*", [("app.toml", 3, FORBIDDEN)]),
    ],
)
def test_every_operator_on_every_target(
    operator: Operator,
    target: Target,
    kind: PatternKind,
    pattern: str,
    expected: list[tuple[str, int, str]],
) -> None:
    assert found(operator=operator, target=target, kind=kind, pattern=pattern) == expected


OUTSIDE, UNKNOWN = "has a version outside the range", "has an unknown version"


@pytest.mark.parametrize(
    ("operator", "pattern", "versions", "expected"),
    [
        (USE, "requests", ">=2.31", [("uv.lock", 7, OUTSIDE)]),
        (USE, "requests", ">=2,<3", []),
        (USE, "left-pad", ">=1", [("", 0, UNKNOWN)]),
        (USE, "django", ">=4", [("", 0, MISSING)]),
        (MATCH, "requests", ">=2.31", [("uv.lock", 7, OUTSIDE)]),
        (MATCH, "django", ">=4", []),
        (NOT_USE, "requests", "<2.31", [("uv.lock", 7, FORBIDDEN)]),
        (NOT_USE, "flask", "<3", []),
        (NOT_USE, "left-pad", "<1", [("", 0, UNKNOWN)]),
        (NOT_MATCH, "requests", ">=3", []),
    ],
)
def test_versions(
    operator: Operator, pattern: str, versions: str, expected: list[tuple[str, int, str]]
) -> None:
    target = Target.DEPENDENCY

    assert found(operator=operator, target=target, pattern=pattern, versions=versions) == expected


@pytest.mark.parametrize(
    ("operator", "pattern", "value", "expected"),
    [
        (MATCH, "server.debug", "^false$", [("app.toml", 3, "has another value")]),
        (MATCH, "server.debug", "^true$", []),
        (MATCH, "server.port", "^[0-9]+$", [("", 0, "has an unknown value")]),
        (NOT_USE, "server.debug", "true", [("app.toml", 3, FORBIDDEN)]),
        (NOT_USE, "server.debug", "false", []),
    ],
)
def test_values(
    operator: Operator, pattern: str, value: str, expected: list[tuple[str, int, str]]
) -> None:
    assert found(operator=operator, target=Target.CONFIG, pattern=pattern, value=value) == expected


def test_only_what_blocks_makes_a_change_set_invalid() -> None:
    for severity in Severity:
        verdict = check(held(pattern="os", severity=severity), CHANGES)
        assert len(verdict.violations) == 1
        assert verdict.valid is (severity is not Severity.BLOCK)


def test_a_rule_is_about_the_paths_that_it_applies_to() -> None:
    assert found(pattern="os", applies_to=("src/**",)) == [("src/app.py", 1, FORBIDDEN)]
    assert found(pattern="os", applies_to=("tests/**",)) == []
    demand = {"operator": USE, "target": Target.CODE, "pattern": "logging"}
    assert found(**demand, applies_to=("src/**",)) == [("", 0, MISSING)]
    assert found(**demand, applies_to=("tests/**",)) == []


def test_nothing_is_missing_from_a_part() -> None:
    part = ChangeSet(files=[File("a")], partial=True)
    demand = held(operator=EXIST, target=Target.FILE, pattern="LICENSE", kind=GLOB)

    verdict = check(demand, part)

    assert verdict.valid
    assert (verdict.judged, verdict.skipped) == (0, 1)
    assert not check(demand, ChangeSet(files=[File("a")])).valid


def test_what_is_too_much_is_cut_and_said() -> None:
    many = ChangeSet(imports=[Named("requests", path=str(each)) for each in range(500)])

    verdict = check(held(), many)

    assert len(verdict.violations) == MOST_OF_A_RULE
    assert verdict.cut
    assert not verdict.valid
