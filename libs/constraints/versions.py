"""Ranges of versions: PEP 440 specifiers, `>=2.31, <3, !=2.32.0`, read by `packaging`.

Versions of other ecosystems are compared as PEP 440 reads them: `v1.2.3`, `1.2.3-rc.1` and
`1.2.3+build` are such; one that is not is in no range. Pre-releases count like any other version.
"""

from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

MAX_LENGTH = 128  # characters


class BadRange(ValueError):
    """The text is no range of versions, or no version lies in it; says why."""


@lru_cache(maxsize=4096)
def parse(text: str) -> SpecifierSet:
    """Reads a range; raises BadRange."""
    if len(text) > MAX_LENGTH:
        raise BadRange(f"must have at most {MAX_LENGTH} characters")
    if "===" in text:
        raise BadRange("=== compares texts, not versions: use ==")
    try:
        found = SpecifierSet(text, prereleases=True)
    except InvalidSpecifier as exc:
        raise BadRange("must be specifiers as >=1.2, <2") from exc
    if found.is_unsatisfiable():
        raise BadRange("no version lies in it")
    return found


def contains(text: str, version: str) -> bool:
    """Whether a version lies in a range; one that cannot be read lies in none."""
    try:
        return parse(text).contains(Version(version.strip()))
    except InvalidVersion:
        return False


def readable(version: str) -> bool:
    """Whether a text is a version."""
    try:
        Version(version.strip())
    except InvalidVersion:
        return False
    return True


def disjoint(one: str, other: str) -> bool:
    """Whether no version lies in both ranges."""
    return parse(one).is_disjoint(parse(other))


def within(one: str, other: str) -> bool:
    """Whether every version of the first lies in the second; "" is all versions."""
    return parse(one).is_subset(parse(other))
