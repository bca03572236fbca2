"""Finding and replacing what names a person in ids, texts and JSON values. Pure.

An id is the person's when it is the same. In a text an identifier counts where it stands as a
whole: no letter of English, digit or underscore touches it.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from libs.erasure import Erasure, Strategy
from libs.redaction import redact_values

_WORD = "[0-9A-Za-z_]"  # no more, so that PostgreSQL, whatever its locale, finds the same
TAKEN_OUT = "[redacted]"
Replace = Callable[[Any], Any]


@lru_cache(maxsize=64)
def pattern(identifiers: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of them; None for none."""
    if not identifiers:
        return None
    longest_first = sorted(identifiers, key=len, reverse=True)
    return re.compile(rf"(?<!{_WORD})(?:{'|'.join(map(re.escape, longest_first))})(?!{_WORD})")


def mentions(value: Any, identifiers: tuple[str, ...]) -> bool:
    """Whether a text, or any text or key of a JSON value, holds one of them."""
    found = pattern(identifiers)
    return found is not None and _any(value, lambda text: found.search(text) is not None)


def is_named(value: Any, names: Sequence[str]) -> bool:
    """Whether a text, or any text or key of a JSON value, is one of them."""
    return _any(value, lambda text: text in names)


def of_the_person(erasure: Erasure) -> Replace:
    """For texts about the person, in which their id is an identifier, too."""
    identifiers = (*erasure.identifiers, erasure.subject)
    if erasure.strategy is not Strategy.REDACT:
        return _replacing(erasure.names, identifiers, erasure.pseudonym, erasure.pseudonym)
    replace = _replacing(erasure.names, identifiers, erasure.pseudonym, TAKEN_OUT)
    return lambda value: redact_values(replace(value))[0]


def of_others(erasure: Erasure) -> Replace:
    """For texts that are not about the person: an id may be a word of the language."""
    by = TAKEN_OUT if erasure.strategy is Strategy.REDACT else erasure.pseudonym
    return _replacing(erasure.names, erasure.identifiers, erasure.pseudonym, by)


def _replacing(names: Sequence[str], identifiers: tuple[str, ...], name: str, by: str) -> Replace:
    """What is one of `names` becomes `name`; what a text holds of `identifiers` becomes `by`."""
    found = pattern(identifiers)

    def text(value: str) -> str:
        if value in names:
            return name
        return found.sub(lambda _: by, value) if found else value

    def replace(value: Any) -> Any:
        match value:
            case str():
                return text(value)
            case list():
                return [replace(each) for each in value]
            case dict():
                return {text(key): replace(each) for key, each in value.items()}
        return value

    return replace


def _any(value: Any, holds: Callable[[str], bool]) -> bool:
    match value:
        case str():
            return holds(value)
        case list():
            return any(_any(each, holds) for each in value)
        case dict():
            return any(holds(key) or _any(each, holds) for key, each in value.items())
    return False
