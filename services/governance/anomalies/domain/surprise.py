"""How surprising a deviation is, held against the deviations of the same kind before it. Pure.

A series has its own idea of what is much: of each kind of deviation the quantile that a small share
exceeds is followed, and how far those that exceed it go beyond, as the index of a Pareto tail
(Hill's estimator). The surprise of a deviation is the exponent of its tail probability, so that
what happens often in a series surprises little there, whatever its unit.
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from services.governance.anomalies.domain.alarm import finite

_FIRST = 20  # deviations whose mean begins the quantile
_STEP, _STEP_DECAY = 0.005, 0.7  # of the quantile: the least share of itself, and how it gets there
_TAIL, _TAIL_LEAST = 0.25, 0.03  # index of the tail before anything is known, and the least
_TAIL_KNOWN, _TAIL_MOST = 6.0, 200.0  # exceedances that this is worth, and that are remembered
_FAR = 3.0  # e-folds beyond the quantile that are learned at most
_ENOUGH = 4.0  # surprise of one kind of deviation at most: several have to agree


class Surprises:
    """One tail for each kind of deviation; `share` of the deviations is to exceed its quantile."""

    __slots__ = ("_known", "_quantiles", "_share", "_tails")

    def __init__(self, kinds: int, share: float) -> None:
        self._share = share
        self._quantiles = [0.0] * kinds
        self._tails = [_TAIL] * kinds
        self._known = [_TAIL_KNOWN] * kinds

    def of(self, deviations: Sequence[float], place: int, least: float) -> list[float]:
        """The surprise of each, then learns them.

        Args:
            deviations: Not negative, in the unit of the series.
            place: How many points came before.
            least: What is no deviation worth its name, above 0.
        Returns:
            0 to 4 for each: below 1 not beyond the quantile, 1 + x for a tail probability of
            `share` times exp(-x) beyond.
        """
        quantiles, share = self._quantiles, self._share
        step = max(_STEP, (place + 1) ** -_STEP_DECAY)
        up, down = step * (1 - share), step * share
        found = []
        for kind, deviation in enumerate(deviations):
            quantile = quantiles[kind]
            floor = quantile if quantile > least else least
            if deviation > floor:
                found.append(self._beyond(kind, log(deviation / floor)))
            else:
                found.append(deviation / floor)
            if place < _FIRST:
                quantiles[kind] = quantile + (deviation * 1.5 - quantile) / (place + 1)
            elif deviation > quantile:
                quantiles[kind] = quantile + floor * up
            else:
                quantiles[kind] = quantile - floor * down
        return found

    def _beyond(self, kind: int, folds: float) -> float:
        tail = self._tails[kind]
        known = self._known[kind] = min(self._known[kind] + 1, _TAIL_MOST)
        learned = tail + (min(folds, _FAR) - tail) / known
        self._tails[kind] = max(learned, _TAIL_LEAST)
        return min(1 + folds / tail, _ENOUGH)

    def state(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {"quantiles": self._quantiles, "tails": self._tails, "known": self._known}

    @classmethod
    def from_state(cls, kinds: int, share: float, state: Mapping[str, Any]) -> "Surprises":
        """Goes on where `state` was taken; KeyError, TypeError or ValueError: it is none."""
        surprises = cls(kinds, share)
        surprises._quantiles = [finite(each) for each in state["quantiles"]]
        surprises._tails = [max(finite(each), _TAIL_LEAST) for each in state["tails"]]
        surprises._known = [finite(each) for each in state["known"]]
        for values in (surprises._quantiles, surprises._tails, surprises._known):
            if len(values) != kinds:
                raise ValueError("a stored state is of another number of deviations")
        return surprises
