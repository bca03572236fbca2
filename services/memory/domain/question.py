"""What a question asks for: its words, whom it names, which times, what kind of answer. Pure.

English; questions in other languages have words and nothing else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, auto

from libs.lexical.analysis import STOP_WORDS, stem, words
from services.memory.domain.moments import MONTHS, meant, named_days
from services.memory.domain.spans import Month, Span

_WORDS = 64  # of a question that are held against memories
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_SHORT, _LONG = 28, 300  # days; of a month there are more, and of a year


class Kind(Enum):
    """What an answer has to hold."""

    TIME = auto()
    NAME = auto()
    PLACE = auto()


_THING = "book|movie|film|game|song|band|artist|city|country|state|place|brand|company|team"
_KINDS = {
    Kind.TIME: re.compile(
        r"^when\b|\b(?:what|which) (?:year|month|week|day|date|time)|\bhow long\b|\bsince when\b"
        r"|\bhow many (?:days|weeks|months|years)\b"
    ),
    Kind.NAME: re.compile(rf"\bwhom?\b|\bname|\bcalled\b|\b(?:what|which)(?: \w+)? (?:{_THING})\b"),
    Kind.PLACE: re.compile(
        r"\bwhere\b|\bcit(?:y|ies)\b|\bcountr|\bplaces?\b|\blocation|\bstates?\b"
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    Attributes:
        words: What carries meaning, by term, in order: no stop words, no names of authors.
        named: The authors that it names, in the order of their names.
        about: The one author that it names; "" for none or several.
        months: 1 to 12, those that it names or means.
        years: Those that it names or means.
        days: Those that it names or means, and weeks.
    """

    words: dict[str, str]
    named: tuple[str, ...]
    about: str
    kinds: frozenset[Kind]
    months: frozenset[int]
    years: frozenset[int]
    days: tuple[Span, ...] = ()

    def in_year(self, month: Month) -> bool:
        """Whether a month is of a year that it asks about; any, if it names none."""
        return not self.years or month[0] in self.years

    def in_month(self, month: Month) -> bool:
        """Whether it asks about a month."""
        return month[1] in self.months and self.in_year(month)

    def shortened(self, rarity: Mapping[str, float]) -> "Question":
        """With its rarest words alone, where it has more than a question has.

        Args:
            rarity: Of the terms that there are.
        """
        if len(self.words) <= _WORDS:
            return self
        rarest = set(sorted(self.words, key=lambda term: -rarity.get(term, 0.0))[:_WORDS])
        kept = {term: word for term, word in self.words.items() if term in rarest}
        return replace(self, words=kept)


def analysed(text: str, authors: Iterable[str], today: date | None = None) -> Question:
    """Takes a question apart.

    Args:
        authors: Those whose memories may answer it.
        today: What `last month` is relative to; without it that means nothing.
    """
    bare = [word.removesuffix("'s") for word in words(text)]
    named = {author: name_parts(author) & set(bare) for author in sorted(set(authors))}
    names = frozenset[str]().union(*named.values())
    content: dict[str, str] = {}
    for word in bare:
        if word not in STOP_WORDS and word not in names:
            content.setdefault(stem(word), word)
    dates = named_days(text, today) if today else ()
    spans = meant(text, today) if today else ()
    return Question(
        words=content,
        named=tuple(author for author, parts in named.items() if parts),
        about=_most_named(named),
        kinds=frozenset(kind for kind, each in _KINDS.items() if each.search(text.casefold())),
        months=frozenset([*_months(text, bare), *_months_of(spans)]),
        years=frozenset([*map(int, _YEAR.findall(text)), *_years_of(spans)]),
        days=tuple(span for span in (*dates, *spans) if span.days < _SHORT),
    )


def name_parts(author: str) -> frozenset[str]:
    """The words by which an author is called: any of `Ann Lee` or `ann.lee`."""
    return frozenset(words(author)) - STOP_WORDS


def _most_named(named: Mapping[str, frozenset[str]]) -> str:
    """The author of whose name most is said; "" when that is nobody or not the only one."""
    most = max(map(len, named.values()), default=0)
    best = [author for author, parts in named.items() if len(parts) == most]
    return best[0] if most and len(best) == 1 else ""


def _months(text: str, found: list[str]) -> Iterable[int]:
    for name, number in MONTHS.items():
        if name in found and (name != "may" or "May" in text):
            yield number


def _months_of(spans: Iterable[Span]) -> Iterable[int]:
    return (month for span in spans if span.days < _LONG for _, month in span.months())


def _years_of(spans: Iterable[Span]) -> Iterable[int]:
    return (year for span in spans for year, _ in span.months())
