"""Whether memory holds an answer at all, or only something like it, and which. Pure.

Most of what is asked in vain was said by or about somebody else: what tells is whether the turns of
the person whom the question names match it, or only those of others.
"""

import math
from collections.abc import Mapping

import numpy as np

from services.memory.domain.pool import Pool, Row
from services.memory.domain.question import Question
from services.memory.domain.ranking import Evidence

_TOP = 10  # results that are looked at
_FEW = 3
# Balanced logistic regression on LoCoMo, answerable against adversarial questions.
_BIAS = 0.8
_WEIGHTS: Mapping[str, float] = {
    "share": 1.06,
    "ahead": 0.57,
    "covered": 1.61,
    "best": 0.35,
    "lead": -0.23,
    "spread": 0.47,
    "named": -3.04,
    "words": -0.24,
}
_PRIOR, _TRUST = 0.15, 0.32  # of `relevance`


def answerable(question: Question, pool: Pool, found: Evidence) -> float:
    """The probability that the pool holds an answer, 0 to 1, at even odds beforehand."""
    values = features(question, pool, found)
    logit = _BIAS + sum(_WEIGHTS[name] * value for name, value in values.items())
    return 1 / (1 + math.exp(-logit))


def relevance(found: Evidence, answerable: float) -> Row:
    """The probability of each memory that it is an answer or a part of one, 0 to 1.

    A model of order gives each memory its share of exp(score); the logistic of its logarithm is
    calibrated (error 0.004 on conversations that it had not seen).
    """
    shares = found.scores - np.logaddexp.reduce(found.scores)
    chance: Row = 1 / (1 + np.exp(-(_PRIOR + shares + _TRUST * _logit(answerable))))
    return chance


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(bounded / (1 - bounded))


def features(question: Question, pool: Pool, found: Evidence) -> dict[str, float]:
    """What the probability is made of; 0 for what cannot be told."""
    blind = found.scores - found.parts["author"]  # as if nobody were named
    weight = np.exp(blind - blind.max())
    weight /= weight.sum()
    best = np.sort(found.scores)[::-1]
    return {
        **_gaps(found, blind, weight),
        "best": float(best[0]),
        "lead": float(best[0] - best[min(_TOP, pool.size) - 1]),
        "spread": float(-(weight * np.log(weight + 1e-12)).sum()),
        "named": float(bool(question.about)),
        "words": float(len(question.words)),
    }


def _gaps(found: Evidence, blind: Row, weight: Row) -> dict[str, float]:
    """How far the named person's own turns are ahead of those of others."""
    author = found.signals["author"]
    own, other = author > 0, author < 0
    if not own.any() or not other.any():
        return dict.fromkeys(("share", "ahead", "covered"), 0.0)
    top = np.argsort(-blind, kind="stable")[:_TOP]

    def few(which: Row) -> float:
        return float(np.sort(which)[-_FEW:].mean())

    return {
        "share": float(weight[top][own[top]].sum() / weight[top].sum()) - 0.5,
        "ahead": few(blind[own]) - few(blind[other]),
        "covered": float(found.covered[own].max() - found.covered[other].max()),
    }
