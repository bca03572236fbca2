"""Patterns cannot hang, and versions are compared as versions."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.constraints import PatternKind, Target
from libs.constraints.patterns import BadPattern, compiled, fits
from libs.constraints.versions import BadRange, contains, disjoint, parse, within


@pytest.mark.parametrize("pattern", ["(a*)*$", "(a|a)*b", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_an_expression_that_hangs_others_takes_no_time(pattern: str) -> None:
    began = time.process_time()

    compiled(PatternKind.REGEX, pattern).search("a" * 100_000)

    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", ["", "(", "(?=a)", r"(a)\1", "a{2000}", "((a{99}){99}){99}"])
def test_what_cannot_be_matched_in_time_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compiled(PatternKind.REGEX, pattern)


@given(st.sampled_from(PatternKind), st.text(max_size=60), st.text(max_size=60))
def test_any_pattern_is_read_or_refused(kind: PatternKind, pattern: str, text: str) -> None:
    with suppress(BadPattern):
        fits(kind, Target.IMPORT, pattern, text)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("Flask_Login", "flask-login", True),
        ("zope.interface", "zope-interface", True),
        ("@types/Node", "@types/node", True),
        ("flask", "flask-login", False),
    ],
)
def test_names_of_dependencies_are_compared_as_registries_do(
    pattern: str, name: str, expected: bool
) -> None:
    assert fits(PatternKind.EXACT, Target.DEPENDENCY, pattern, name) is expected


@pytest.mark.parametrize(
    ("versions", "version", "expected"),
    [
        (">=2.31,<3", "2.31.0", True),
        (">=2.31,<3", "3.0", False),
        (">=2,<3", "2.5.0rc1", True),
        ("!=2.32.0", "2.32", False),
        ("~=1.4", "1.9.9", True),
        ("~=1.4", "2.0", False),
        (">=1.10", "1.9", False),
        (">=1.2", "v1.3.0", True),
        (">=1.2", "1.3.0-rc.1", True),
        (">=1.2", "1.3.0+build5", True),
        (">=1", "latest", False),
    ],
)
def test_versions(versions: str, version: str, expected: bool) -> None:
    assert contains(versions, version) is expected


@pytest.mark.parametrize("text", [">=", "1.2", "===1", ">=2,<1", "x" * 129])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(BadRange):
        parse(text)


NUMBERS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: f"{pair[0]}.{pair[1]}")
RANGES = st.lists(
    st.tuples(st.sampled_from([">=", "<=", ">", "<", "!=", "=="]), NUMBERS).map("".join),
    min_size=1,
    max_size=3,
).map(",".join)


@given(RANGES, RANGES, NUMBERS)
def test_ranges_are_compared_as_their_versions_are(one: str, other: str, version: str) -> None:
    try:
        parse(one), parse(other)
    except BadRange:
        return
    if disjoint(one, other):
        assert not (contains(one, version) and contains(other, version))
    if within(one, other):
        assert contains(other, version) or not contains(one, version)
