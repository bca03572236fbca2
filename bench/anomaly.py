"""Anomalies found in labelled series: the adaptive detector, and the plain 2-sigma rule beside it.

NAB=DIR names a folder with data/ and labels/combined_windows.json; without it a few made-up series
show that it runs. Each category is judged with constants that were chosen on the others only.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from math import sin
from pathlib import Path
from random import Random
from time import process_time

from bench.nab import (
    NOTHING,
    PROFILES,
    Profile,
    Series,
    Tally,
    above,
    best_threshold,
    load,
    tally,
)
from bench.report import Report, Row, Section
from services.governance.anomalies.domain.adaptive import Adaptive, AdaptiveDetector, Tuning
from services.governance.anomalies.domain.patience import Patience
from services.governance.anomalies.domain.sigma import SigmaDetector

# What the constants may be: each as shipped, and to both sides.
_LENGTHS = ((10, 40), (14, 50), (20, 60))
_SHARES = (0.03, 0.04, 0.05)
_HEIGHTS = (0.85, 0.95, 1.05, 1.15)
_FATIGUES = (0.1, 0.15, 0.2)
_AT_BAR = 1.0  # scores from here on are alarms

Places = tuple[int, ...]  # of a choice in the grid
Alarms = Mapping[str, Sequence[int]]  # places, by the name of the series


@dataclass(frozen=True)
class _Measured:
    """`alarms` for each choice in the grid; `scores` as shipped, `sigma` of the plain rule."""

    series: Sequence[Series]
    alarms: Mapping[Places, Alarms]
    scores: Mapping[str, Sequence[float]]
    sigma: Mapping[str, Sequence[float]]
    microseconds: float

    @property
    def categories(self) -> list[str]:
        return sorted({each.category for each in self.series})


async def run(*, quick: bool = False) -> Report:
    """`quick`: on made-up series, whatever NAB names."""
    folder = os.environ.get("NAB", "")
    made_up = quick or not folder
    measured = _measure(_made_up() if made_up else load(Path(folder)))
    standard = sum(_left_out(measured, PROFILES["standard"]).values(), NOTHING)
    return Report(
        name="anomaly",
        title="Anomalies found in labelled series",
        sections=[
            Section("Score of each profile, 0 to 100", list(_profile_rows(measured))),
            Section("Standard profile by category", list(_category_rows(measured))),
            Section("Standard profile by series, as shipped", list(_series_rows(measured))),
        ],
        facts=_facts(measured, made_up=made_up),
        summary={
            "nab_standard": round(standard.normalised(PROFILES["standard"]), 2),
            "us_per_point": round(measured.microseconds, 2),
        },
    )


def _measure(series: Sequence[Series]) -> _Measured:
    scores, microseconds = _shipped(series)
    sigma = {each.name: _scores(SigmaDetector(), each) for each in series}
    return _Measured(series, _all_alarms(series), scores, sigma, microseconds)


def _shipped(series: Sequence[Series]) -> tuple[dict[str, list[float]], float]:
    """The scores with the constants that are shipped, and the CPU time of a point."""
    began = process_time()
    scores = {each.name: _scores(AdaptiveDetector(), each) for each in series}
    points = sum(len(each.values) for each in series)
    return scores, (process_time() - began) / points * 1e6


def _scores(detector: AdaptiveDetector | SigmaDetector, series: Series) -> list[float]:
    scores = []
    for moment, value in zip(series.moments, series.values, strict=True):
        detector.update(moment, value)
        scores.append(detector.score)
    return scores


def _all_alarms(series: Sequence[Series]) -> Mapping[Places, Alarms]:
    """The surprises depend on lengths and share only: the rest of the grid is cheap."""
    found: dict[Places, dict[str, list[int]]] = {}
    for views in product(range(len(_LENGTHS)), range(len(_SHARES))):
        for each in series:
            surprises = _surprises(_tuning((*views, 0, 0)), each)
            for bar in product(range(len(_HEIGHTS)), range(len(_FATIGUES))):
                choice = (*views, *bar)
                alarms = _alarms(_tuning(choice), surprises)
                found.setdefault(choice, {})[each.name] = alarms
    return {choice: dict(alarms) for choice, alarms in found.items()}


def _tuning(choice: Places) -> Tuning:
    lengths, share, height, fatigue = choice
    fast, middle = _LENGTHS[lengths]
    return Tuning(fast, middle, _SHARES[share], _HEIGHTS[height], _FATIGUES[fatigue])


def _surprises(tuning: Tuning, series: Series) -> list[float]:
    detector = AdaptiveDetector(Adaptive(tuning=tuning))
    surprises = []
    for moment, value in zip(series.moments, series.values, strict=True):
        detector.update(moment, value)
        surprises.append(detector.surprise)
    return surprises


def _alarms(tuning: Tuning, surprises: Sequence[float]) -> list[int]:
    patience = Patience(Adaptive(tuning=tuning).bar)
    score = patience.score
    return [place for place, each in enumerate(surprises) if score(each, place) >= _AT_BAR]


def _left_out(measured: _Measured, profile: Profile) -> dict[str, Tally]:
    """Each category, with the constants that are best on all others."""
    raws = {choice: _by_category(measured, choice, profile) for choice in measured.alarms}
    found = {}
    for category in measured.categories:
        others = [each for each in measured.categories if each != category]
        chosen = _best(raws, others) if others else _SHIPPED
        found[category] = raws[chosen][category]
    return found


def _by_category(measured: _Measured, choice: Places, profile: Profile) -> dict[str, Tally]:
    found = dict.fromkeys(measured.categories, NOTHING)
    for each in measured.series:
        found[each.category] += tally(each, measured.alarms[choice][each.name], profile)
    return found


def _best(raws: Mapping[Places, Mapping[str, Tally]], categories: Sequence[str]) -> Places:
    """The choice whose neighbourhood scores best: a peak that stands alone is luck."""
    score = {
        choice: sum(tallies[category].raw for category in categories)
        for choice, tallies in raws.items()
    }

    def around(choice: Places) -> float:
        near = [score[each] for each in _neighbours(choice) if each in score]
        return sum(near) / len(near)

    return max(score, key=around)


def _neighbours(choice: Places) -> Iterator[Places]:
    """The choice itself, and those that differ by one step of one constant."""
    yield choice
    for place, step in product(range(len(choice)), (-1, 1)):
        yield (*choice[:place], choice[place] + step, *choice[place + 1 :])


def _shipped_choice() -> Places:
    tuning = Tuning()
    return (
        _LENGTHS.index((tuning.fast, tuning.middle)),
        _SHARES.index(tuning.share),
        _HEIGHTS.index(tuning.height),
        _FATIGUES.index(tuning.fatigue),
    )


_SHIPPED = _shipped_choice()


def _total(measured: _Measured, scores: Mapping[str, Sequence[float]], profile: Profile) -> Tally:
    parts = [tally(each, above(scores[each.name], _AT_BAR), profile) for each in measured.series]
    return sum(parts, NOTHING)


def _optimised(
    measured: _Measured, scores: Mapping[str, Sequence[float]], profile: Profile
) -> float:
    """With the one threshold that the benchmark chooses, as published scores have it."""
    scored = [(each, scores[each.name]) for each in measured.series]
    _, raw = best_threshold(scored, profile)
    windows = sum(len(each.windows) for each in measured.series)
    return Tally(raw, windows, 0, 0).normalised(profile)


def _profile_rows(measured: _Measured) -> Iterator[Row]:
    for name, profile in PROFILES.items():
        left_out = sum(_left_out(measured, profile).values(), NOTHING)
        yield {
            "profile": name,
            "leave one category out": left_out.normalised(profile),
            "as shipped": _total(measured, measured.scores, profile).normalised(profile),
            "as shipped, threshold of the benchmark": _optimised(
                measured, measured.scores, profile
            ),
            "2 sigma": _total(measured, measured.sigma, profile).normalised(profile),
            "2 sigma, threshold of the benchmark": _optimised(measured, measured.sigma, profile),
        }


def _category_rows(measured: _Measured) -> Iterator[Row]:
    profile = PROFILES["standard"]
    plain = dict.fromkeys(measured.categories, NOTHING)
    for each in measured.series:
        alarms = above(measured.sigma[each.name], _AT_BAR)
        plain[each.category] += tally(each, alarms, profile)
    for category, found in _left_out(measured, profile).items():
        yield {
            "category": category,
            "windows": str(found.windows),
            "found": str(found.hits),
            "false alarms": str(found.false),
            "score": _shown(found, profile),
            "2 sigma found": str(plain[category].hits),
            "2 sigma false alarms": str(plain[category].false),
            "2 sigma score": _shown(plain[category], profile),
        }


def _series_rows(measured: _Measured) -> Iterator[Row]:
    for each in measured.series:
        found = tally(each, above(measured.scores[each.name], _AT_BAR), PROFILES["standard"])
        yield {
            "series": each.name,
            "points": str(len(each.values)),
            "windows": str(found.windows),
            "found": str(found.hits),
            "false alarms": str(found.false),
            "raw score": f"{found.raw:.2f}",
        }


def _shown(found: Tally, profile: Profile) -> str:
    return f"{found.normalised(profile):.1f}" if found.windows else f"raw {found.raw:.2f}"


def _facts(measured: _Measured, *, made_up: bool) -> list[str]:
    points = sum(len(each.values) for each in measured.series)
    source = "made-up series (NAB=DIR for real ones)" if made_up else "the series of NAB"
    return [
        f"{len(measured.series)} series, {points} points: {source}.",
        f"A category is judged with those of {len(measured.alarms)} choices of the constants"
        " lengths, share, height and fatigue that are best on the others, together with their"
        " neighbours; the score that raises an alarm is part of the choice.",
        f"As shipped: {astuple(Tuning())}. Every point is judged before it is learned.",
        f"{measured.microseconds:.1f} microseconds of CPU a point, all series one after another.",
    ]


def _made_up() -> list[Series]:
    """Days with noise in which a level moves or points stand out."""
    return [
        _with_anomaly(f"{kind}/{number}", Random(f"{kind}{number}"), kind)
        for kind in ("level", "spike", "quiet")
        for number in range(2)
    ]


def _with_anomaly(name: str, random: Random, kind: str) -> Series:
    length, at = 3000, random.randrange(1500, 2500)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=5 * place) for place in range(length)]
    values = [10 + 3 * sin(place / 288 * 6.283) + random.gauss(0, 0.5) for place in range(length)]
    series = Series(name, moments, values, [] if kind == "quiet" else [(at - 50, at + 150)])
    changed = {"level": range(at, length), "spike": range(at, at + 3), "quiet": range(0)}[kind]
    return replace(
        series,
        values=[each + 8 * (place in changed) for place, each in enumerate(values)],
    )
