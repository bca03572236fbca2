"""Which texts say nearly the same, and which nothing more than another. Pure.

A cosine sees neither a "not" nor, where vectors are sums of those of words, their order: of pairs
that differ in just that, two thirds lie above 0.95. So words decide, by the rules that tell which
questions ask the same (`libs.embedding.wording`); the cosine, how much may be added to them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from libs.embedding.wording import GROUPS, Wording, wording, words
from libs.embedding.wording.tokens import fold, singular, spelled

LONGER = 0.95  # the least cosine of a text and the same with more words
_WORDED = 512  # characters; of longer texts the very same ones are alike
_HARMLESS = frozenset(("articles", "asking"))  # rewrites that take nothing from what is said
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Said:
    """A text as it is compared.

    Attributes:
        folded: In one way to write characters and white space.
        wording: None for a long text.
        lower: Its words in lower case.
        names: Those of them that are written with a capital.
    """

    folded: str
    wording: Wording | None
    lower: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Self:
        """About 0.3 ms for a sentence."""
        folded = fold(text)
        found = _WORD.findall(folded)
        lower = [word.casefold() for word in found]
        named = [word for word, raw in zip(lower, found, strict=True) if raw != raw.lower()]
        names = frozenset((*named, *(spelled(singular(word)) for word in named)))
        worded = wording(folded) if len(folded) <= _WORDED else None
        return cls(folded, worded, frozenset(lower), names)

    @property
    def points(self) -> bool:
        """Whether it is about another thing when it is said at another time or place."""
        return not words.POINTING.isdisjoint(self.lower)

    @property
    def speaks_of_self(self) -> bool:
        """Whether it is about another thing when somebody else says it."""
        return not words.FIRST_PERSON.isdisjoint(self.lower)


def alike(one: Said, other: Said, cosine: float) -> bool:
    """Whether two texts say nearly the same; symmetric.

    They do in the same words but for harmless rewrites, in the same order; or when one has all
    words of the other in order and some more, none of which is a negation, number, unit, name or
    limits what is said, and their cosine is at least LONGER.
    """
    if one.folded == other.folded:
        return True
    if one.wording is None or other.wording is None:
        return False
    named = one.wording.names or other.wording.names
    short, long = sorted((_words(one, named=named), _words(other, named=named)), key=len)
    return short == long or (
        cosine >= LONGER and _adds_little(short, long, one.names | other.names)
    )


def same(one: Said, other: Said) -> bool:
    """Whether two texts say the same and not a word more, whenever and wherever; symmetric."""
    if one.points or other.points:
        return False
    if one.folded == other.folded:
        return True
    if one.wording is None or other.wording is None or one.wording.form != other.wording.form:
        return False
    ours, theirs = one.wording.aspects, other.wording.aspects
    return all(ours.get(group) == theirs.get(group) for group in GROUPS if group not in _HARMLESS)


def _words(said: Said, *, named: bool) -> list[str]:
    """What harmless rewrites leave; without those of plurals where a name may end in s."""
    assert said.wording is not None  # the caller has looked
    form = said.wording.form
    return (said.wording.aspects.get("plural", form) if named else form).split()


def _adds_little(short: Sequence[str], long: Sequence[str], names: frozenset[str]) -> bool:
    """Whether the long one is the short one with words that leave its sense."""
    rest, before = list(short), ""
    for word in long:
        if rest and rest[0] == word:
            rest.pop(0)
        elif not word.isalpha() or word in words.TURNING or word in names or _is_number(before):
            return False
        before = word
    return not rest


def _is_number(word: str) -> bool:
    return word in words.NUMBERS or any(map(str.isdigit, word))
