"""Stretches of the calendar: days, weeks, weekends, months, years. Pure.

Weeks begin on Monday.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

Month = tuple[int, int]  # its year and its number

_DAY, _WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Days, the last included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many, at least 1."""
        return (self.last - self.first).days + 1

    def months(self) -> list[Month]:
        """Those that it touches, in order."""
        first, last = (each.year * 12 + each.month - 1 for each in (self.first, self.last))
        return [(at // 12, at % 12 + 1) for at in range(first, last + 1)]

    def share(self, others: Iterable["Span"]) -> float:
        """Of its days, the largest part that lies in one of the others, 0 to 1."""
        common = (min(self.last, each.last) - max(self.first, each.first) for each in others)
        return max([0.0, *((each.days + 1) / self.days for each in common)])


def whole_months(year: int, month: int, count: int = 1) -> Span:
    """So many months from one on; they may go on into the next year.

    Raises:
        ValueError: The calendar has no such month.
    """
    end_year, end = divmod(year * 12 + month + count - 2, 12)
    return Span(date(year, month, 1), date(end_year, end + 1, monthrange(end_year, end + 1)[1]))


def unit(name: str, day: date, shift: int = 0) -> Span:
    """The day, week, weekend, month or year of a day, or the one so many after it (or before).

    Raises:
        ValueError, OverflowError: It is outside of the calendar.
    """
    if name == "year":
        return whole_months(day.year + shift, 1, 12)
    if name == "month":
        year, month = divmod(day.year * 12 + day.month - 1 + shift, 12)
        return whole_months(year, month + 1)
    if name == "day":
        return Span(day + shift * _DAY, day + shift * _DAY)
    monday = day - day.weekday() * _DAY + shift * _WEEK
    return Span(monday + 5 * _DAY if name == "weekend" else monday, monday + 6 * _DAY)


def recurring(spans: Callable[[int], Span], day: date, shift: int = 0) -> Span:
    """Of what comes every year, the last before a day (-1), the next after it (1), or the nearest.

    Raises:
        ValueError: A year around the day has none.
    """
    every = [spans(day.year + years) for years in (-2, -1, 0, 1, 2)]
    if shift:
        outside = [each for each in every if not each.first <= day <= each.last]
        every = [each for each in outside if (each.first > day) == (shift > 0)]
    return min(every, key=lambda each: max(each.first - day, day - each.last, 0 * _DAY))
