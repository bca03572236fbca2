"""From what is known of some memories and a question to one order of them. Pure.

A linear model over standardised signals. Its weights were fitted on conversations (LoCoMo, listwise
softmax), each signal chosen for a reason that holds elsewhere: see docs/retrieval.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from libs.lexical.statistics import BY_LENGTH, SATURATION, Statistics
from services.memory.domain.pool import Indices, Pool, Row, standard
from services.memory.domain.question import Kind, Question
from services.memory.domain.spans import Month, Span, unit

WordVectors = Callable[[Sequence[str]], NDArray[np.float32]]  # rows of length 1 or 0

_ALIKE = 0.4  # cosine of two words from which they count as related
_ELSEWHEN = 0.5  # what a date counts where the memory speaks of other years alone
_LOOKED_BACK = 0.4  # what the month after the one that is asked about counts
_HALF_LIFE = timedelta(days=30)  # of recency
_BEFORE, _AFTER = 0.8, 0.4  # how much of a match passes on to what follows it, and what precedes
# Not fitted: between memories that fit a question about equally well, not against clear relevance.
# Who writes a memory chooses its importance, layer and time: from those of a plain one (importance
# 0.5) that is 0.2 + 0.15 + 0.2 at most, which does not make up for no trust at all.
PRIORS: Mapping[str, float] = {
    "importance": 0.4,
    "precedence": 0.15,
    "recency": 0.2,
    "trust": 0.6,
    "stuffed": -4.0,
}
_WEIGHTS: Mapping[str, float] = {
    "semantic": 0.55,
    "words": 0.77,
    "session": 0.57,
    "next": 0.09,
    "before_last": 0.12,
    "asked_before": 0.2,
    "answers": 0.39,
    "has_question": -0.41,
    "asks": -0.39,
    "author": 1.17,
    "speaks_of_itself": 0.69,
    "time_words": 0.52,
    "time_asked": 2.18,
    "time_at_opening": 0.9,
    "month": 4.0,
    "year": 2.5,
    "day": 1.0,
    "names": 0.8,
    "name_asked": 1.85,
    "place_asked": 1.55,
    **PRIORS,
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that speaks for a memory: its value, and its part of the score."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory in the order.

    Attributes:
        score: Compares with others of the same order only.
        relevance: How likely it is to hold the answer, or a part of it; None if nobody can tell.
        signals: Gives what the score is made of; most callers do not ask.
    """

    id: UUID
    score: float
    relevance: float | None
    signals: Callable[[], Sequence[Signal]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out about the N memories of a pool.

    Attributes:
        signals: By name, in their own units.
        parts: What each signal adds to the scores.
        scores: The sums of the parts.
        covered: Share of the question's words, by rarity, that a memory itself has, 0 to 1.
        matches: How near something in a memory is to each word of the question, 0 to 1, shape
            (words, N).
    """

    signals: Mapping[str, Row]
    parts: Mapping[str, Row]
    scores: Row
    covered: Row
    matches: Row

    def best(self, count: int) -> Indices:
        """Places in the pool, best first."""
        order: Indices = np.argsort(-self.scores, kind="stable")[:count]
        return order

    def told(self, place: int) -> list[Signal]:
        """Of one memory, by its place in the pool."""
        return [
            Signal(name, float(self.signals[name][place]), float(part[place]))
            for name, part in self.parts.items()
        ]

    @classmethod
    def of(
        cls, signals: Mapping[str, Row], weights: Mapping[str, float], covered: Row, matches: Row
    ) -> Self:
        """Of signals, each with its weight."""
        parts = {name: weights[name] * values for name, values in signals.items()}
        scores: Row = np.sum(list(parts.values()), axis=0)
        return cls(signals, parts, scores, covered, matches)


def evidence(
    question: Question,
    pool: Pool,
    cosines: Mapping[UUID, float],
    statistics: Statistics,
    hashes: Mapping[str, int],
    vectors: WordVectors,
    now: datetime,
) -> Evidence:
    """What speaks for each memory.

    Args:
        cosines: Of question and memory; empty when they could not be had.
        statistics: Of the tenant's lexical index, by the hashes of the question's terms.
        hashes: Of the question's terms.
        vectors: Of single words, for those that are related but not the same.
    """
    meaning = standard(_column([item.id for item in pool.items], cosines))
    words = _Words(question, pool, statistics, hashes, vectors)
    both = meaning + standard(words.bm25) + standard(words.related)
    own = standard(both)
    session = pool.by_session(np.exp(both - both.max(initial=0.0)))
    found: Mapping[str, Row] = {
        "semantic": meaning,
        "words": standard(words.around),
        "session": pool.among_turns(np.log(session)),
        **_neighbours(pool, own),
        "author": _about(question, pool),
        **_form(question, pool),
        **_when(question, pool),
        **_priors(pool, now),
    }
    return Evidence.of(found, _WEIGHTS, words.covered, words.nearest)


def ranked(pool: Pool, found: Evidence, relevance: Row) -> Iterator[Ranked]:
    """All memories of the pool, best first."""
    for at in found.best(pool.size):
        yield Ranked(
            pool.items[at].id,
            float(found.scores[at]),
            float(relevance[at]),
            partial(found.told, int(at)),
        )


def fused(cosines: Mapping[UUID, float], words: Mapping[UUID, float]) -> list[UUID]:
    """All that either found, best first, by the sum of their standardised scores."""
    ids = [*{**cosines, **words}]
    shared = np.array([words.get(each, 0.0) for each in ids], np.float64)
    scores = standard(_column(ids, cosines)) + standard(shared)
    return [ids[at] for at in np.argsort(-scores, kind="stable")]


def _neighbours(pool: Pool, own: Row) -> dict[str, Row]:
    """What stands beside a turn: an answer follows its question."""
    return {
        "next": pool.shifted(own, -1),
        "before_last": pool.shifted(own, 2),
        "asked_before": pool.shifted(own * pool.asks, 1),
        "answers": pool.shifted(pool.asks, 1),
    }


def _form(question: Question, pool: Pool) -> dict[str, Row]:
    """What kind of thing a memory says, alone and against what is asked for."""
    when, name = (float(each in question.kinds) for each in (Kind.TIME, Kind.NAME))
    return {
        "has_question": pool.relative(pool.questions),
        "asks": pool.relative(pool.asks),
        "speaks_of_itself": pool.relative(pool.speaks),
        "time_words": pool.relative(pool.times),
        "time_asked": when * pool.times,
        "time_at_opening": when * pool.opening,
        "names": pool.relative(pool.capitals),
        "name_asked": name * pool.capitals,
        "place_asked": pool.places if Kind.PLACE in question.kinds else np.zeros(pool.size),
    }


class _Words:
    """How the words of a question meet those of each memory: the same, or related ones.

    Shape (words, N): `nearest`, the best match in each memory, 0 to 1. Shape (N,): `bm25`; the
    shares of the question's words, by rarity, that a memory has (`covered`), has something related
    to (`related`), or has beside it (`around`).
    """

    def __init__(
        self,
        question: Question,
        pool: Pool,
        statistics: Statistics,
        hashes: Mapping[str, int],
        vectors: WordVectors,
    ) -> None:
        terms = list(question.words) or [""]
        rarity = np.array([statistics.rarity(hashes.get(term, 0)) for term in terms])
        share = rarity / rarity.sum()
        same = _same(terms, pool)
        like = _like([question.words.get(term, "") for term in terms], pool, vectors)
        alike = np.maximum(like, same)
        counts = pool.summed(same)
        norm = 1 - BY_LENGTH + BY_LENGTH * pool.length / (statistics.mean_length or 1.0)
        self.bm25: Row = rarity @ (counts * (SATURATION + 1) / (counts + SATURATION * norm))
        self.covered: Row = share @ (counts > 0)
        self.nearest = pool.largest(alike)
        self.related: Row = share @ np.clip((self.nearest - _ALIKE) / (1 - _ALIKE), 0, 1)
        self.around: Row = share @ pool.spread(self.nearest, _BEFORE, _AFTER)


def _same(terms: Sequence[str], pool: Pool) -> Row:
    """1 where a word of the pool has the term, shape (terms, V)."""
    same: Row = pool.holding(terms) * pool.telling
    return same


def _like(asked: Sequence[str], pool: Pool, vectors: WordVectors) -> Row:
    """Cosines of words, at least 0, shape (terms, V)."""
    likeness = vectors(asked) @ vectors(pool.vocabulary).T
    like: Row = np.maximum(likeness, 0) * pool.telling
    return like.astype(np.float64)


def _priors(pool: Pool, now: datetime) -> dict[str, Row]:
    """What speaks for a memory whatever is asked, against the others of the pool."""
    precedence = np.array([item.precedence for item in pool.items], np.float64)
    importance = np.array([item.importance for item in pool.items], np.float64)
    ages = np.array([(now - item.at) / _HALF_LIFE for item in pool.items], np.float64)
    recency = np.exp2(-np.maximum(ages, 0))
    trust = np.array([item.trust for item in pool.items], np.float64)
    values = {
        "importance": importance,
        "precedence": precedence,
        "recency": recency,
        "trust": trust,
    }
    against = {name: each - each.mean() for name, each in values.items()}
    return {**against, "stuffed": pool.stuffed}


def _about(question: Question, pool: Pool) -> Row:
    """0.5 for what the person said that is asked about, -0.5 for others."""
    if not question.about:
        return np.zeros(pool.size)
    return np.array([author == question.about for author in pool.authors], np.float64) - 0.5


def _when(question: Question, pool: Pool) -> dict[str, Row]:
    """How far a memory is of the time that is asked about, by what it says of times or its date."""
    nothing = np.zeros(pool.size)
    return {
        "month": _months(question, pool) if question.months else nothing,
        "year": _years(question, pool) if question.years and not question.months else nothing,
        "day": _days(question, pool) if question.days else nothing,
    }


def _months(question: Question, pool: Pool) -> Row:
    """By date, less in the month after, when it is looked back at."""
    dated = [
        question.in_month((year, month))
        + _LOOKED_BACK * question.in_month((year, month - 1) if month > 1 else (year - 1, 12))
        for year, month in pool.months
    ]
    return _told_or_dated(question, pool, partial(_share, question.in_month), dated)


def _years(question: Question, pool: Pool) -> Row:
    dated = [float(question.in_year(month)) for month in pool.months]
    return _told_or_dated(question, pool, partial(_share, question.in_year), dated)


def _days(question: Question, pool: Pool) -> Row:
    dated = [unit("day", item.at.date()).share(question.days) for item in pool.items]
    return _told_or_dated(question, pool, lambda span: span.share(question.days), dated)


def _told_or_dated(
    question: Question, pool: Pool, share: Callable[[Span], float], dated: Sequence[float]
) -> Row:
    """How much of a time that a memory speaks of is asked about; else what its date counts."""
    told = [max(map(share, spans), default=0.0) for spans in pool.spoken]
    return np.maximum(told, np.array(dated) * _doubt(question, pool))


def _share(asked: Callable[[Month], bool], span: Span) -> float:
    months = span.months()
    return sum(map(asked, months)) / len(months)


def _doubt(question: Question, pool: Pool) -> Row:
    """What the date of a memory counts: less where it speaks of other years alone."""
    years = [{year for span in each for year, _ in span.months()} for each in pool.spoken]
    elsewhen = [bool(question.years and each) and not each & question.years for each in years]
    return np.where(elsewhen, _ELSEWHEN, 1.0)


def _column(ids: Sequence[UUID], values: Mapping[UUID, float]) -> Row:
    """Of each memory; the least for those without one."""
    least = min(values.values(), default=0.0)
    return np.array([values.get(each, least) for each in ids], np.float64)
