"""How often each kind of rewording turned out wrong, and which kinds keep a tenant's bound. Pure.

Every grade has its own counts and is open while the upper limit of its own error rate is at or
below the bound: so the bound holds whatever the mix of the traffic. Old checks fade, so that a
change of the traffic or of the model is noticed. The idea to learn online and to serve only what
the user's bound allows, else to explore, is that of vCache (arXiv 2502.03771), whose rule is by
entry: one of an embedding cache is seldom met often enough.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

from libs.embedding.wording import Grade

Counts = tuple[float, float]  # wrong, checked

CONFIDENCE = 0.95
# The limit is read after every check: a short lucky run would open a grade sooner or later.
LEAST_CHECKS = 90
_MEMORY = 2000  # checks until an old one counts for 1/e
# On the labelled Quora pairs: what is known before a tenant's own checks. What a context is, and
# so how often it differs, is the tenant's: too few pairs show it.
SHIPPED: Mapping[Grade, Counts] = {
    Grade.LETTERS: (1, 92),
    Grade.ARTICLES: (0, 175),
    Grade.FRAMES: (5, 166),
    Grade.PLURAL: (13, 249),
    Grade.WIDE: (9, 97),
    Grade.CONTEXT: (7, 46),
}
_GRADES = tuple(Grade)
_STORED = struct.Struct(f"<{2 * len(_GRADES)}d")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The checks of each grade so far."""

    counts: Mapping[Grade, Counts] = field(default_factory=lambda: SHIPPED)

    @classmethod
    def stored(cls, data: bytes | None) -> Self | None:
        """What `to_bytes` made; None when there is nothing, or that of another release."""
        if data is None or len(data) != _STORED.size:
            return None
        values = _STORED.unpack(data)
        return cls(dict(zip(_GRADES, zip(values[::2], values[1::2], strict=True), strict=True)))

    def to_bytes(self) -> bytes:
        return _STORED.pack(*(value for grade in _GRADES for value in self.counts[grade]))

    def after(self, grade: Grade, *, wrong: bool) -> Self:
        """With one more check."""
        keep = 1 - 1 / _MEMORY
        old_wrong, old_checked = self.counts[grade]
        new = (old_wrong * keep + wrong, old_checked * keep + 1)
        return replace(self, counts={**self.counts, grade: new})

    def allows(self, grade: Grade, bound: float) -> bool:
        """Whether hits of the grade are wrong at most as often as `bound` says, 0 to 1."""
        wrong, checked = self.counts[grade]
        return checked >= LEAST_CHECKS and below(wrong, checked, bound) >= CONFIDENCE


@lru_cache(maxsize=4096)
def below(wrong: float, checked: float, bound: float) -> float:
    """How sure it is that the error rate is at most `bound`: Beta(wrong + 1/2, right + 1/2).

    At 0.95 and more the one-sided upper Jeffreys limit at 95 % is at most `bound`. Counts may be
    fractions: they fade.

    Source: Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", Statistical
    Science 2001.
    """
    return _beta_cdf(wrong + 0.5, checked - wrong + 0.5, bound)


def _beta_cdf(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function by its continued fraction.

    Source: Press et al., Numerical Recipes, 6.4 (modified Lentz).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_cdf(b, a, 1 - x)
    log_front = a * math.log(x) + b * math.log1p(-x)
    log_front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a * (_fraction(a, b, x) - 1)


def _fraction(a: float, b: float, x: float) -> float:
    value, c, d = 1.0, 1.0, 0.0
    for step in range(200):
        d = 1 / (1 + _term(a, b, x, step) * d)
        c = 1 + _term(a, b, x, step) / c
        value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value


def _term(a: float, b: float, x: float, step: int) -> float:
    m = step // 2
    if step == 0:
        return 1.0
    if step % 2 == 0:
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
