"""Foreseeing what a month will have cost. Pure.

The level of the last four weeks, times how each day of the week usually differs from it; what is
left over (residuals) is drawn again and again for the days to come, and the middle eight tenths of
the outcomes are the interval. With less than two weeks it is the mean; with less than three days
nothing is foreseen.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import fmean, median

LONGEST = 56  # days that a forecast looks back
_LEVEL = 28  # days whose level counts
_WEEKS, _LEAST = 14, 3  # days for the day of the week to count, and for any forecast
_PRIOR = 2.0  # weeks of "every day is like any other" that a factor is weighed against
_DRAWS = 2000
_LOW, _HIGH = 0.1, 0.9


class Method(StrEnum):
    """How a forecast was made."""

    TOO_LITTLE_DATA = "too_little_data"
    MEAN = "mean"
    DAY_OF_WEEK = "day_of_week"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the month will have cost; `interval` and `expected` are None where nothing is
    foreseen."""

    method: Method
    days: int
    spent: Decimal
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


def month_start(moment: datetime) -> datetime:
    """When the month of a moment begins."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(start: datetime) -> datetime:
    """When the month after the one that begins then begins."""
    return (start + timedelta(days=32)).replace(day=1)


def forecast(history: Sequence[tuple[date, Decimal]], spent: Decimal, now: datetime) -> Forecast:
    """What the present month will have cost.

    Args:
        history: Whole days without gaps, oldest first, the last is yesterday; at most LONGEST
            count.
        spent: In this month so far, today included.
        now: In UTC.
    """
    recent = history[-LONGEST:]
    if len(recent) < _LEAST:
        return Forecast(Method.TOO_LITTLE_DATA, len(recent), spent)
    weekly = len(recent) >= _WEEKS
    costs = [(day, float(cost)) for day, cost in recent]
    factors = _factors(costs) if weekly else [1.0] * 7
    level = _level(costs, factors)
    residuals = [cost - level * factors[day.weekday()] for day, cost in costs]
    rest = _rest_of_month(now)
    fitted = [level * factors[day.weekday()] * share for day, share in rest]
    sums = sorted(_draw(fitted, residuals, [share for _, share in rest]))
    method = Method.DAY_OF_WEEK if weekly else Method.MEAN
    return Forecast(
        method,
        len(recent),
        spent,
        spent + _money(sum(fitted)),
        spent + _money(_quantile(sums, _LOW)),
        spent + _money(_quantile(sums, _HIGH)),
    )


def _factors(costs: Sequence[tuple[date, float]]) -> list[float]:
    """How each day of the week compares with a usual day; few weeks count little."""
    mean = fmean(cost for _, cost in costs)
    if not mean:
        return [1.0] * 7
    factors = []
    for weekday in range(7):
        own = [cost / mean for day, cost in costs if day.weekday() == weekday]
        factors.append((sum(own) + _PRIOR) / (len(own) + _PRIOR))
    usual = fmean(factors)
    return [factor / usual for factor in factors]


def _level(costs: Sequence[tuple[date, float]], factors: Sequence[float]) -> float:
    """Of a day without its day of the week. One odd day does not move it much: half the median,
    half the mean."""
    plain = [
        cost / factors[day.weekday()] for day, cost in costs[-_LEVEL:] if factors[day.weekday()]
    ]
    return (median(plain) + fmean(plain)) / 2 if plain else 0.0


def _rest_of_month(now: datetime) -> list[tuple[date, float]]:
    """The days that are left, each with the share of it that is."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    left = 1 - (now - midnight) / timedelta(days=1)
    days, end = [(midnight.date(), left)], next_month(month_start(now)).date()
    day = midnight.date() + timedelta(days=1)
    while day < end:
        days.append((day, 1.0))
        day += timedelta(days=1)
    return days


def _draw(
    fitted: Sequence[float], residuals: Sequence[float], shares: Sequence[float]
) -> list[float]:
    """Sums of the days with residuals drawn at random; no day costs less than nothing. The same
    question has the same answer."""
    chance = random.Random(len(residuals))
    return [
        sum(
            max(0.0, usual + share * chance.choice(residuals))
            for usual, share in zip(fitted, shares, strict=True)
        )
        for _ in range(_DRAWS)
    ]


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _money(amount: float) -> Decimal:
    return Decimal(repr(round(amount, 9)))
