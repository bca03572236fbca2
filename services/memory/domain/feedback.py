"""What people say of memories, and how much it moves their importance. Pure."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum


class Feedback(StrEnum):
    """What somebody says of a memory; the values are stored."""

    HELPFUL = "helpful"
    IRRELEVANT = "irrelevant"
    OUTDATED = "outdated"
    INACCURATE = "inaccurate"
    DUPLICATE = "duplicate"


Counts = Mapping[Feedback, int]

_MOST = 0.3  # that all feedback together moves an importance
_HALF = 3  # voices of one mind that move it by half of that
# Whoever calls a memory irrelevant or a duplicate says less of the memory than of the question.
_VOICES: Mapping[Feedback, float] = {
    Feedback.HELPFUL: 1,
    Feedback.IRRELEVANT: -0.5,
    Feedback.OUTDATED: -1,
    Feedback.INACCURATE: -1,
    Feedback.DUPLICATE: -0.5,
}


def counted(ratings: Mapping[str, Feedback]) -> Counts:
    """How many people say what, from what each of them says."""
    return dict(Counter(ratings.values()))


def moved(importance: float, counts: Counts) -> float:
    """The importance, 0 to 1, moved by 0.3 v / (3 + |v|), where v is the sum of the voices."""
    voices = sum(_VOICES[each] * count for each, count in counts.items())
    return min(1.0, max(0.0, importance + _MOST * voices / (_HALF + abs(voices))))
