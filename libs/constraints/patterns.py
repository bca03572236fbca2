"""Patterns of every kind, compiled for RE2: its time is linear in the text, whatever the pattern.

What RE2 does not know (look-around, references) is refused, as is what needs more memory than
`_MEMORY`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from libs.constraints import PatternKind, Target
from libs.constraints.globs import BadGlob, parse

MAX_LENGTH = 512  # characters of a pattern
_MEMORY = 1 << 20  # bytes that a compiled pattern may take


class BadPattern(ValueError):
    """The text is not a pattern of its kind; says why."""


@lru_cache(maxsize=4096)
def compiled(kind: PatternKind, pattern: str) -> Any:
    """What `fullmatch` and `search` are asked of.

    Raises:
        BadPattern: As it says.
    """
    if not 0 < len(pattern) <= MAX_LENGTH:
        raise BadPattern(f"must have 1 to {MAX_LENGTH} characters")
    if kind is PatternKind.EXACT:
        return _compile(re2.escape(pattern))
    if kind is PatternKind.REGEX:
        return _compile(pattern)
    try:
        return _compile(parse(pattern).expression())
    except BadGlob as exc:
        raise BadPattern(str(exc)) from exc


@lru_cache(maxsize=4096)
def matcher(kind: PatternKind, target: Target, pattern: str) -> Callable[[str], bool]:
    """Tells whether a name is one of those that a rule means.

    Exact and glob patterns are about whole names; a regular expression may match anywhere in one,
    unless it is anchored. Names of dependencies are compared as registries do: without regard to
    case, and `_`, `.` and `-` are the same.
    """
    form = plain if target is Target.DEPENDENCY and kind is not PatternKind.REGEX else str
    if kind is PatternKind.EXACT:
        wanted = form(pattern)
        return lambda name: form(name) == wanted
    expression = compiled(kind, form(pattern))
    find = expression.search if kind is PatternKind.REGEX else expression.fullmatch
    return lambda name: find(form(name)) is not None


def fits(kind: PatternKind, target: Target, pattern: str, name: str) -> bool:
    """The same for one name."""
    return matcher(kind, target, pattern)(name)


def plain(name: str) -> str:
    """A dependency's name in the form that is compared; scopes and paths stay: `@a/b`, `x.y/z`."""
    if "/" in name:
        return name.lower()
    return name.lower().replace("_", "-").replace(".", "-")


def _compile(expression: str) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    try:
        return re2.compile(expression, options)
    except re2.error as exc:
        raise BadPattern(f"is no regular expression of RE2: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    (given,) = exc.args or (b"",)
    text = given.decode(errors="replace") if isinstance(given, bytes) else str(given)
    return text.partition(":")[0] or "unknown"
