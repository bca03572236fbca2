"""How a question is pursued over several searches, by rules: its parts, what is missing. Pure.

After MemR3 (arXiv 2512.20237), with rules in place of a model: retrieve, reflect on the gap between
question and evidence, ask again for what was not seen.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from libs.lexical.analysis import STOP_WORDS, stem, words
from services.memory.domain.pool import Pool, Row, standard
from services.memory.domain.question import Question, name_parts
from services.memory.domain.ranking import PRIORS, Evidence, WordVectors

_SEEN = 10  # results that are held against the question
_LEADING = 5  # results whose words lead on
_MET = 0.6  # how near a word of a result must be to one of the question to answer for it
_WORDS = 6  # of a query that follows what was found
_SIDES = re.compile(r"\b(?:and|or)\b")
# Questions whose answer is a list, gathered from several places.
_LIST = re.compile(
    r"\b(?:both|what (?:kinds?|types?|sorts?)|different|various|in what ways|all the|recurring"
    r"|names of)\b"
    r"|^(?:what|which)(?: \w+){0,2} (?!is|was|does|has|his|this)\w+s"
    r" (?:has|have|had|did|do|does|are|were|can|would)\b"
    r"|^how many|\bhas \w+ (?:\w+ed|been|had|made|done|taken)|^where has|^what has"
)
# Fitted as those of a single search, on what several searches found, multi-hop questions counted
# three times.
_WEIGHTS: Mapping[str, float] = {
    "semantic": 0.22,
    "words": 0.63,
    "session": 0.52,
    "next": 0.08,
    "before_last": 0.08,
    "asked_before": 0.15,
    "answers": 0.3,
    "has_question": -0.28,
    "asks": -0.48,
    "author": 1.09,
    "speaks_of_itself": 0.53,
    "time_words": 0.66,
    "time_asked": 1.94,
    "time_at_opening": 0.73,
    "month": 4.0,
    "year": 1.83,
    "day": 1.0,
    "names": 0.79,
    "name_asked": 1.91,
    "place_asked": 1.7,
    "list_semantic": 0.25,
    "list_words": -0.14,
    "list_session": -0.39,
    "list_author": 0.87,
    "list_speaks_of_itself": 0.14,
    "list_asks": 0.24,
    "like_the_best": 0.23,
    **PRIORS,
}
_OF_LISTS = ("semantic", "words", "session", "author", "speaks_of_itself", "asks")


def asks_for_list(text: str) -> bool:
    """Whether the answer is likely to be gathered from several memories."""
    return _LIST.search(text.casefold()) is not None


def parts(text: str, question: Question) -> list[str]:
    """What to ask beside the question itself: of each of two authors alone, and each side of an
    "and" or "or"."""
    return [*_of_each(text, question), *_of_sides(text, question)]


def missing(question: Question, found: Evidence) -> list[str]:
    """The words of the question that nothing in the best results comes near to."""
    if not question.words or not found.scores.size:
        return []
    met = found.matches[:, found.best(_SEEN)].max(axis=1)
    return [word for word, near in zip(question.words.values(), met, strict=True) if near < _MET]


def leading(question: Question, pool: Pool, found: Evidence) -> list[str]:
    """The words that several of the best results share and the question does not have."""
    known = set(question.words).union(*map(name_parts, set(pool.authors)))
    counts: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for at in found.best(_LEADING):
        own = {stem(word): word for word in words(pool.items[at].content) if word not in STOP_WORDS}
        counts.update(own.keys() - known)
        spelled = {**own, **spelled}
    return [spelled[term] for term, count in counts.most_common(_WORDS) if count > 1]


def weighed(text: str, pool: Pool, found: Evidence, vectors: WordVectors) -> Evidence:
    """The same evidence as for a question that is pursued: lists spread over sessions, and what is
    like the best results counts."""
    listing = float(asks_for_list(text))
    signals = {
        **found.signals,
        **{f"list_{name}": listing * found.signals[name] for name in _OF_LISTS},
        "like_the_best": _like_the_best(pool, found, vectors),
    }
    return Evidence.of(signals, _WEIGHTS, found.covered, found.matches)


def _like_the_best(pool: Pool, found: Evidence, vectors: WordVectors) -> Row:
    """Cosines with the mean of the best, each memory being the sum of its telling words."""
    of_words = vectors(pool.vocabulary) * pool.telling[:, None]
    sums = pool.summed(of_words.T).T
    unit = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return standard(unit @ unit[found.best(_LEADING)].mean(axis=0))


def _of_each(text: str, question: Question) -> Iterator[str]:
    """The question without one of two authors that it names, each in turn."""
    if len(question.named) == 2:
        for other in question.named:
            yield re.sub(rf"\b{re.escape(other)}(?:'s)?\b", "", text, flags=re.IGNORECASE)


def _of_sides(text: str, question: Question) -> Iterator[str]:
    """Each side of a conjunction, with whom the question is about."""
    sides = [set(words(side)) for side in _SIDES.split(text)]
    if len(sides) != 2:
        return
    for side in sides:
        kept = [word for word in question.words.values() if word in side]
        if 0 < len(kept) < len(question.words):
            yield about(question, kept)


def about(question: Question, wanted: Sequence[str]) -> str:
    """A query for words, of the author whom the question is about."""
    return " ".join([*wanted, question.about]).strip()
