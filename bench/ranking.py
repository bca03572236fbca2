"""How good an order of results is: recall, what fits a budget, intervals by conversation. Pure."""

import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean

from bench.locomo import Place, Question, Turn
from bench.measure import Spread

_BUDGET = 1024  # tokens
_RESAMPLES = 2000
_SEED = 17


@dataclass(frozen=True, slots=True)
class Answer:
    """A question of a conversation and the places that were found for it, best first."""

    conversation: str
    question: Question
    places: Sequence[Place]

    def recall(self, depth: int) -> float:
        """The share of the evidence among the first results."""
        return self._share(set(self.places[:depth]))

    def whole(self, depth: int) -> float:
        """1 when all of the evidence is among the first results, else 0."""
        return float(self.question.evidence <= set(self.places[:depth]))

    def within_budget(self, turns: Mapping[Place, Turn]) -> float:
        """The share of the evidence in the results that fit 1,024 tokens, in their order."""
        taken, left = set(), _BUDGET
        for place in self.places:
            left -= turns[place].tokens
            if left < 0:
                break
            taken.add(place)
        return self._share(taken)

    def reciprocal(self) -> float:
        """1 / rank of the first evidence; 0 without."""
        for rank, place in enumerate(self.places, start=1):
            if place in self.question.evidence:
                return 1 / rank
        return 0.0

    def _share(self, taken: Set[Place]) -> float:
        return len(self.question.evidence & taken) / len(self.question.evidence)


def interval(answers: Sequence[Answer], value: Callable[[Answer], float]) -> Spread:
    """Mean over the questions, with the 95 % interval of a bootstrap by conversation."""
    groups: dict[str, list[float]] = {}
    for answer in answers:
        groups.setdefault(answer.conversation, []).append(value(answer))
    dice, each = random.Random(_SEED), list(groups.values())
    means = sorted(
        fmean(value for group in dice.choices(each, k=len(each)) for value in group)
        for _ in range(_RESAMPLES)
    )
    mean = fmean(value for group in each for value in group)
    return Spread(mean, means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1])


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive has the higher score of a pair; ties count half (Hanley 1982)."""
    ranked = sorted([(score, 1) for score in positive] + [(score, 0) for score in negative])
    total, place = 0.0, 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        rank = (place + 1 + end) / 2
        total += rank * sum(kind for _, kind in ranked[place:end])
        place = end
    count = len(positive)
    return (total - count * (count + 1) / 2) / (count * len(negative))
