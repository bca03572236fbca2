"""Which questions ask the same in other words: one canonical form for all of them. Pure.

Two texts are candidates when the same form remains of both after harmless rewrites (`rewrites`).
What kind of difference lies between them, the *grade*, is told by the groups of rewrites that made
them equal: see `Wording.aspects`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from libs.embedding.wording import words
from libs.embedding.wording.rewrites import REWRITES, canonical
from libs.embedding.wording.tokens import exact_form, fold, is_titled, tokens

__all__ = ["GROUPS", "Grade", "Signature", "Wording", "exact_form", "grade", "wording"]

GROUPS = tuple(REWRITES)
_WIDE = frozenset(("person", "way", "best_way", "ever"))
_NAME_IN_S = re.compile(r"(?<=\w )[A-Z][a-z]+s\b")
_SELF = frozenset(("i", "me", "myself"))
_METHOD = frozenset(("how", "what", "where", "which"))


class Grade(StrEnum):
    """The kind of the weakest difference between two texts, the most harmless first."""

    LETTERS = "letters"  # case, punctuation, spelling, contractions
    ARTICLES = "articles"
    FRAMES = "frames"  # ways to ask
    PLURAL = "plural"
    WIDE = "wide"  # person, "best way", "ever"
    CONTEXT = "context"  # one of the texts points outside of itself


@dataclass(frozen=True, slots=True)
class Wording:
    """A text as the semantic tier sees it.

    Attributes:
        form: What all its harmless rewordings have in common.
        aspects: By group of rewrites that changed something: the form without that group.
        context: Whether it points outside of itself, or speaks of who asks.
        names: Whether a name may end in s: plural must not be what joins it with another.
    """

    form: str
    aspects: Mapping[str, str]
    context: bool
    names: bool


class Signature(NamedTuple):
    """What is kept of a wording beside its form: digests of its aspects, and no words."""

    aspects: Mapping[str, bytes]
    context: bool
    names: bool


def wording(text: str) -> Wording:
    """The wording of a text; about 0.2 ms for a question."""
    found = tokens(text)
    form, fired = canonical(found)
    folded = fold(text)
    return Wording(
        form=form,
        aspects={group: canonical(found, group)[0] for group in fired},
        context=not words.CONTEXT.isdisjoint(found) or _speaks_of_self(found),
        names=_NAME_IN_S.search(folded) is not None and not is_titled(folded),
    )


def grade(one: Signature, other: Signature) -> Grade | None:
    """The grade of two texts of one form; None when they are not to be taken for the same.

    They need a group of rewrites to become one exactly when its aspects differ.
    """
    needed = {group for group in GROUPS if one.aspects.get(group) != other.aspects.get(group)}
    if "plural" in needed and (one.names or other.names):
        return None
    if one.context or other.context:
        return Grade.CONTEXT
    if needed & _WIDE:
        return Grade.WIDE
    if "plural" in needed:
        return Grade.PLURAL
    if not needed:
        return Grade.LETTERS
    return Grade.ARTICLES if needed == {"articles"} else Grade.FRAMES


def _speaks_of_self(found: list[str]) -> bool:
    """Whether "I" is more than the one who asks for a method: "how do I", "what should I"."""
    asks = found[:1] and found[0] in _METHOD
    return not _SELF.isdisjoint(found[3:] if asks else found)
