"""Globs: what they match, and whether two share a text; held against slow, plain models."""

import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libs.constraints import PatternKind
from libs.constraints.globs import MAX_ALTERNATIVES, BadGlob, parse
from libs.constraints.patterns import BadPattern, compiled

PIECES = st.sampled_from(["a", "b", "/", "*", "?", "**", "**/", "[ab]", "[!a]", "{a,b/}", "ab"])
GLOBS = (
    st.lists(PIECES, min_size=1, max_size=6)
    .filter(lambda pieces: 2 ** pieces.count("{a,b/}") <= MAX_ALTERNATIVES)
    .map("".join)
)
TEXTS = st.text("ab/", max_size=6)


def matches(glob: str, text: str) -> bool:
    return compiled(PatternKind.GLOB, glob).fullmatch(text) is not None


def model(glob: str, text: str) -> bool:
    """By recursion, one character at a time."""
    return any(_walk(each, text, start=True) for each in _choices(glob))


def _choices(glob: str) -> list[str]:
    match = re.search(r"\{([^}]*)\}", glob)
    if not match:
        return [glob]
    before, after = glob[: match.start()], glob[match.end() :]
    return [end for one in match[1].split(",") for end in _choices(before + one + after)]


def _walk(glob: str, text: str, *, start: bool) -> bool:
    if not glob:
        return not text
    if start and glob.startswith("**/"):
        ends = [place + 1 for place, each in enumerate(text) if each == "/"]
        return any(_walk(glob[3:], text[end:], start=True) for end in (0, *ends))
    if glob.startswith("*"):
        width = 2 if glob.startswith("**") else 1
        return any(
            _walk(glob[width:], text[end:], start=False)
            for end in range(len(text) + 1)
            if width == 2 or "/" not in text[:end]
        )
    if not text:
        return False
    if glob.startswith("["):
        end = glob.index("]", 2)
        body = glob[1:end]
        fits = text[0] not in body[1:] if body[0] == "!" else text[0] in body
        return fits and text[0] != "/" and _walk(glob[end + 1 :], text[1:], start=False)
    if glob[0] == "?":
        return text[0] != "/" and _walk(glob[1:], text[1:], start=False)
    return glob[0] == text[0] and _walk(glob[1:], text[1:], start=glob[0] == "/")


@given(GLOBS, TEXTS)
def test_a_glob_matches_what_the_model_matches(glob: str, text: str) -> None:
    assert matches(glob, text) == model(glob, text)


@given(GLOBS, GLOBS)
def test_globs_meet_when_they_share_a_text(one: str, other: str) -> None:
    """Short globs share a short text, if any: all of these are tried."""
    assume(len(one) + len(other) <= 7)
    shared = any(matches(one, text) and matches(other, text) for text in _all_texts())

    assert parse(one).meets(parse(other)) == shared
    assert parse(other).meets(parse(one)) == shared


def _all_texts(cache: list[str] = []) -> list[str]:  # noqa: B006 - made once
    if not cache:
        layer = [""]
        for _ in range(7):
            cache += layer
            layer = [text + each for text in layer for each in "abc/"]
    return cache


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("*.py", "a.py", True),
        ("*.py", "src/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "src/deep/a.py", True),
        ("src/**", "src/", True),
        ("src/**", "src", False),
        ("src/**/test_*.py", "src/test_a.py", True),
        ("src/**/test_*.py", "src/x/y/test_a.py", True),
        ("a**b", "a/x/b", True),
        ("{a,b}.py", "b.py", True),
        (r"\*.py", "*.py", True),
        (r"\*.py", "a.py", False),
        ("[!a]", "/", False),
        ("a.py", "aXpy", False),
        ("Ä?", "Äß", True),
        ("a\nb", "a\nb", True),
    ],
)
def test_examples(glob: str, text: str, expected: bool) -> None:
    assert matches(glob, text) is expected


@pytest.mark.parametrize(
    "glob", ["", "x" * 257, "[a", "{a", "{a,{b}}", "a\\", "[b-a]", "{a,b,c,d,e}" * 2]
)
def test_what_is_no_glob_is_refused(glob: str) -> None:
    with pytest.raises(BadGlob):
        parse(glob)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadPattern):
        compiled(PatternKind.GLOB, text)
