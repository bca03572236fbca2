"""The memories that may answer a question, as arrays: their words, sessions, authors, times. Pure.

N memories in the order of their sessions; V distinct words in all of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from libs.lexical.analysis import END, STOP_WORDS, stems, words_and_ends
from services.memory.domain.moments import MONTHS, spoken
from services.memory.domain.question import name_parts
from services.memory.domain.spans import Span

Row = NDArray[np.float64]  # a number for each memory
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

_DENSE = 0.7  # share of telling words from which a text looks like a heap of keywords
_LONG = 20  # words; shorter ones may be names or lists
_READ = 200_000  # characters that are read of all memories together, the beginning of each
_LEAST = 1000  # of each, however many there are
REACH = 3  # memories before and after one that are looked at
_REMARK = re.compile(r"\s*\[[^\]]*\]\s*$")  # a picture's caption behind what was said
# Within a sentence. Begins with the space, which is fast to find.
_CAPITAL = re.compile(r""" (?<=[a-z,;:"'] )["'“]?[A-Z][a-z]""")
_PLACE = re.compile(r"\b(?:in|at|to|from|near|visit|visited|visiting) (?:the )?[A-Z][a-z]")
_SPEAKER = frozenset(["i", "me", "my", "mine", "we", "us", "our", "myself", "i'm", "i've", "i'd"])
_TIMES = frozenset(MONTHS) | frozenset(
    """
    yesterday today tonight tomorrow last next ago since week weekend weeks month months year years
    day days monday tuesday wednesday thursday friday saturday sunday recently morning evening night
    soon summer winter spring fall birthday anniversary finally now already upcoming just
    """.split()  # noqa: SIM905 - a list of words is read as words
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that may answer.

    Attributes:
        at: When it was said or happened.
        before: Its neighbours in the session, nearest first, as `after`; of no session it has none.
        precedence: Of its layer, 0 to 1; the narrower, the more.
        importance: 0 to 1.
        trust: In its source, 0 to 1.
    """

    id: UUID
    content: str
    author: str
    session: str
    at: datetime
    before: Sequence[UUID] = ()
    after: Sequence[UUID] = ()
    precedence: float = 0.0
    importance: float = 0.5
    trust: float = 1.0


class Pool:
    """Candidates as arrays over N memories. Of long ones the beginning is read, as the embedder
    does."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        share = max(_LEAST, _READ // max(1, len(candidates)))
        short = (_beginning(each, share) for each in candidates)
        self.items = sorted(short, key=lambda each: (each.session, each.at, each.id))
        self.size = len(self.items)
        self._read_words()
        self._read_texts()
        self._link()

    def _read_words(self) -> None:
        """`vocabulary` (V words), `flat` (places in it, memory after memory), `starts` (N).

        The end of each memory counts as a word that says nothing, so that none is without.
        """
        found = words_and_ends([item.content for item in self.items])
        places = {word: at for at, word in enumerate(dict.fromkeys(found))}
        self.flat: Indices = np.array([places[word] for word in found], np.intp)
        ends = np.flatnonzero(self.flat == places.get(END, -1))
        self.starts: Indices = np.concatenate([[0], ends + 1])[:-1]
        self.vocabulary = [word.removesuffix("'s") for word in places]
        self.authors = [item.author for item in self.items]
        silent = STOP_WORDS.union({END}, *map(name_parts, set(self.authors)))
        self.telling = np.array(
            [bool(each) and each not in silent for each in self.vocabulary], bool
        )
        self.length = self._count(self.telling)
        self.stuffed = self._stuffed()
        self.speaks = np.minimum(self._count(self._are(_SPEAKER)), 1)
        self.times = np.minimum(self._count(self._are(_TIMES) | self._are_years()), 3) / 3

    def _read_texts(self) -> None:
        """Marks of each memory, 0 or 1 unless said otherwise."""
        contents = [item.content for item in self.items]
        self.asks = _row(_without_remark(text).endswith("?") for text in contents)
        self.questions = _row("?" in text for text in contents)
        self.capitals = _row(min(3, len(_CAPITAL.findall(text))) / 3 for text in contents)  # to 1
        self.months = [(item.at.year, item.at.month) for item in self.items]

    @cached_property
    def places(self) -> Row:
        """1 for each memory that tells a place."""
        return _row(_PLACE.search(item.content) is not None for item in self.items)

    @cached_property
    def spoken(self) -> list[tuple[Span, ...]]:
        """What each memory says of times, relative ones resolved against its own."""
        return [spoken(item.content, item.at.date()) for item in self.items]

    def _link(self) -> None:
        """`session_starts`, `session_of` (N), and which follow each other."""
        sessions = [item.session or str(item.id) for item in self.items]
        changes = [not at or sessions[at] != sessions[at - 1] for at in range(self.size)]
        self.session_starts: Indices = np.flatnonzero(changes)
        self.session_of: Indices = np.cumsum(changes) - 1
        self.in_session = np.array([bool(item.session) for item in self.items], bool)
        self.opening = _row(bool(item.session) and len(item.before) < 2 for item in self.items)
        pairs = {pair for item in self.items for pair in _pairs(item)}
        follows = np.array(
            [
                at > 0 and (self.items[at - 1].id, self.items[at].id) in pairs
                for at in range(self.size)
            ],
            bool,
        )
        self._follows: dict[int, Mask] = {1: follows}
        for distance in range(2, REACH + 1):
            chained = np.zeros(self.size, bool)
            chained[1:] = self._follows[distance - 1][:-1] & follows[1:]
            self._follows[distance] = chained

    def shifted(self, values: Row, distance: int) -> Row:
        """For each memory the value of the one so far before it, or after it where `distance` is
        negative; 0 where there is none. The last axis is that of memories."""
        out = np.zeros_like(values)
        by = abs(distance)
        if by >= self.size:
            return out
        if distance > 0:
            out[..., by:] = values[..., :-by] * self._follows[by][by:]
        else:
            out[..., :-by] = values[..., by:] * self._follows[by][by:]
        return out

    def spread(self, values: Row, before: float, after: float) -> Row:
        """Of each memory and, damped with each step, those before and after it: the largest."""
        best = values.copy()
        for by in range(1, REACH + 1):
            np.maximum(best, before**by * self.shifted(values, by), out=best)
            np.maximum(best, after**by * self.shifted(values, -by), out=best)
        return best

    def relative(self, values: Row) -> Row:
        """How turns of sessions differ from the mean turn; 0 for what is no turn."""
        turns = self.in_session
        mean = values[turns].mean() if turns.any() else 0.0
        return np.where(turns, values - mean, 0.0)

    def among_turns(self, values: Row) -> Row:
        """As `relative`, in standard deviations over the turns."""
        differences = self.relative(values)
        deviation = differences[self.in_session].std() if self.in_session.any() else 0.0
        return differences / deviation if deviation > 1e-9 else np.zeros(self.size)

    def holding(self, terms: Sequence[str]) -> Row:
        """1 where a word of the vocabulary has a term, shape (terms, V)."""
        initials = {term[:1] for term in terms}  # a stem keeps the first letter
        places = [at for at, word in enumerate(self.vocabulary) if word[:1] in initials]
        found = np.array(stems([self.vocabulary[at] for at in places]), str)
        held = np.zeros((len(terms), len(self.vocabulary)))
        held[:, places] = found == np.array(terms, str)[:, None]
        return held

    def by_session(self, values: Row) -> Row:
        """The sum over each session, given to each of its memories."""
        sums: Row = np.add.reduceat(values, self.session_starts, axis=-1)[..., self.session_of]
        return sums

    def largest(self, of_words: Row) -> Row:
        """From values for words, shape (..., V), the largest in each memory, shape (..., N)."""
        best: Row = np.maximum.reduceat(of_words[..., self.flat], self.starts, axis=-1)
        return best

    def summed(self, of_words: Row) -> Row:
        """From values for words, shape (..., V), the sum in each memory, shape (..., N)."""
        sums: Row = np.add.reduceat(of_words[..., self.flat], self.starts, axis=-1)
        return sums

    def _stuffed(self) -> Row:
        """How much a memory is a heap of keywords: 1 for one without any small word, 0 for what
        people write, of which about half is small words; and for what is short."""
        whole = np.diff(self.starts, append=self.flat.size) - 1  # without its end
        share = self.length / np.maximum(whole, 1)
        heap = np.clip((share - _DENSE) / (1 - _DENSE), 0, 1)
        return np.where(whole >= _LONG, heap, 0.0)

    def _count(self, which: Mask) -> Row:
        return self.summed(which.astype(np.float64))

    def _are(self, which: frozenset[str]) -> Mask:
        return np.array([word in which for word in self.vocabulary], bool)

    def _are_years(self) -> Mask:
        return np.array([len(word) == 4 and word.isdecimal() for word in self.vocabulary], bool)


def standard(values: Row) -> Row:
    """Mean 0, deviation 1; all 0 where all are equal."""
    deviation = values.std() if values.size else 0.0
    if deviation < 1e-9:
        return np.zeros(values.size)
    standardised: Row = (values - values.mean()) / deviation
    return standardised


def _beginning(item: Candidate, characters: int) -> Candidate:
    if len(item.content) <= characters:
        return item
    return replace(item, content=item.content[:characters])


def _pairs(item: Candidate) -> Iterator[tuple[UUID, UUID]]:
    """Memories of which the second follows the first."""
    chain = [*reversed(item.before), item.id, *item.after]
    yield from pairwise(chain)


def _without_remark(text: str) -> str:
    return _REMARK.sub("", text) if "]" in text else text


def _row(values: Iterator[float] | Iterator[bool]) -> Row:
    return np.array(list(values), np.float64)
