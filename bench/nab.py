"""How well anomalies are found in labelled series: the scoring of the Numenta Anomaly Benchmark.

Own implementation of what Lavin and Ahmad published ("Evaluating real-time anomaly detection
algorithms", ICMLA 2015): an early alarm in a labelled window is worth up to 1, one after it up to
minus 1 times the weight of false alarms, a window without any minus its own weight; alarms in the
first 15 % do not count. Scores are between that of no alarm at all (0) and of a perfect one (100).
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import exp
from pathlib import Path

_PROBATION, _PROBATION_OF = 0.15, 5000  # share of a series, of so many points at most
_FAR = 3.0  # widths after a window: from there on an alarm is simply false
NEVER = 1e9  # a threshold that nothing reaches


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit, a false alarm and a miss weigh."""

    hit: float
    false: float
    miss: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward low FP": Profile(1.0, 0.22, 1.0),
    "reward low FN": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True)
class Series:
    """`windows`: places of the first and last point of each labelled window, in order."""

    name: str  # category/file
    moments: Sequence[datetime]
    values: Sequence[float]
    windows: Sequence[tuple[int, int]]

    @property
    def category(self) -> str:
        return self.name.partition("/")[0]

    @property
    def first(self) -> int:
        """The first place where alarms count."""
        return int(_PROBATION * min(len(self.values), _PROBATION_OF))

    @cached_property
    def worth(self) -> Sequence[tuple[int, float]]:
        """Of an alarm at each place: the window that it hits, -1 for none, and its worth before
        weights."""
        return list(_worth(len(self.values), self.windows))


def load(folder: Path) -> list[Series]:
    """All series of the folder that have labels.

    Raises:
        OSError, ValueError, KeyError: It is not laid out as the benchmark is.
    """
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    named = {name: folder / "data" / name for name in sorted(labels)}
    return [_read(name, path, labels[name]) for name, path in named.items() if path.exists()]


@dataclass(frozen=True, slots=True)
class Tally:
    """What alarms brought in some series."""

    raw: float
    windows: int
    hits: int
    false: int

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.raw + other.raw,
            self.windows + other.windows,
            self.hits + other.hits,
            self.false + other.false,
        )

    def normalised(self, profile: Profile) -> float:
        """0 for no alarm at all, 100 for a perfect detector; NaN where there is nothing to find."""
        nothing, perfect = -profile.miss * self.windows, profile.hit * self.windows
        return 100 * (self.raw - nothing) / (perfect - nothing) if self.windows else float("nan")


NOTHING = Tally(0.0, 0, 0, 0)


def tally(series: Series, alarms: Iterable[int], profile: Profile) -> Tally:
    """The score of alarms at these places, in ascending order: the first in a window counts."""
    hit: set[int] = set()
    raw, false = 0.0, 0
    for place in alarms:
        window, worth = series.worth[place]
        if place < series.first or window in hit:
            continue
        if window < 0:
            raw, false = raw + profile.false * worth, false + 1
        else:
            raw += profile.hit * worth
            hit.add(window)
    raw -= profile.miss * (len(series.windows) - len(hit))
    return Tally(raw, len(series.windows), len(hit), false)


def best_threshold(
    scored: Sequence[tuple[Series, Sequence[float]]], profile: Profile
) -> tuple[float, float]:
    """The threshold of the scores at which all series together have the best raw score, and that
    score: as the benchmark chooses one threshold for a detector and profile."""
    raw = -profile.miss * sum(len(series.windows) for series, _ in scored)
    best, threshold = raw, NEVER
    won: dict[tuple[str, int], float] = {}
    points = sorted(_points(scored), key=lambda point: -point[0])
    for index, (score, name, window, worth) in enumerate(points):
        if window < 0:
            raw += profile.false * worth
        else:
            before = won.get((name, window), -profile.miss)
            won[name, window] = max(before, profile.hit * worth)
            raw += won[name, window] - before
        last = index + 1 == len(points) or points[index + 1][0] < score
        if last and raw > best:
            best, threshold = raw, score
    return threshold, best


def above(scores: Sequence[float], threshold: float) -> list[int]:
    """The places of the scores that reach the threshold."""
    return [place for place, score in enumerate(scores) if score >= threshold]


def _points(
    scored: Sequence[tuple[Series, Sequence[float]]],
) -> Iterator[tuple[float, str, int, float]]:
    for series, scores in scored:
        for place in range(series.first, len(scores)):
            if scores[place] > 0:
                yield (scores[place], series.name, *series.worth[place])


def _read(name: str, path: Path, labels: Sequence[Sequence[str]]) -> Series:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    moments = [datetime.fromisoformat(row[0]) for row in rows]
    places: Mapping[datetime, int] = {
        moment: place for place, moment in reversed(list(enumerate(moments)))
    }
    windows = [
        (places[datetime.fromisoformat(first)], places[datetime.fromisoformat(last)])
        for first, last in labels
    ]
    return Series(name, moments, [float(row[1]) for row in rows], windows)


def _worth(length: int, windows: Sequence[tuple[int, int]]) -> Iterator[tuple[int, float]]:
    """Distances are in widths: from a window's end backwards in it, forwards after it."""
    place = 0
    previous: tuple[int, int] | None = None
    for number, (first, last) in enumerate(windows):
        yield from ((-1, _after(each, previous)) for each in range(place, first))
        width = last - first + 1
        for each in range(first, last + 1):
            yield number, _sigmoid(-(last - each + 1) / width) / _sigmoid(-1.0)
        place, previous = last + 1, (first, last)
    yield from ((-1, _after(each, previous)) for each in range(place, length))


def _after(place: int, window: tuple[int, int] | None) -> float:
    if window is None:
        return -1.0
    first, last = window
    return _sigmoid((place - last) / (last - first)) if last > first else -1.0


def _sigmoid(distance: float) -> float:
    return -1.0 if distance > _FAR else 2 / (1 + exp(5 * distance)) - 1
