"""Foreseeing what a month will have cost."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.governance.costs.domain import Method, forecast, month_start, next_month

NOW = datetime(2026, 6, 16, tzinfo=UTC)  # a Tuesday; 15 whole days are left
amounts = st.decimals(0, 10**6, places=4)


def history(costs: list[Decimal], end: datetime = NOW) -> list[tuple[date, Decimal]]:
    """Days up to yesterday."""
    first = end.date() - timedelta(days=len(costs))
    return [(first + timedelta(days=n), cost) for n, cost in enumerate(costs)]


def test_equal_days_leave_no_doubt() -> None:
    found = forecast(history([Decimal(2)] * 40), Decimal(30), NOW)

    assert (found.method, found.days) == (Method.DAY_OF_WEEK, 40)
    assert found.expected == found.low == found.high == Decimal(60)


@pytest.mark.parametrize(("days", "method"), [(2, Method.TOO_LITTLE_DATA), (3, Method.MEAN)])
def test_little_data_is_said(days: int, method: Method) -> None:
    found = forecast(history([Decimal(2)] * days), Decimal(4), NOW)

    assert found.method is method
    assert (found.expected is None) == (method is Method.TOO_LITTLE_DATA)


def test_weekends_are_told_from_weekdays() -> None:
    costs = history([Decimal(0)] * 56)
    weekly = [(day, Decimal(0 if day.weekday() >= 5 else 10)) for day, _ in costs]
    saturday = datetime(2026, 6, 27, tzinfo=UTC)
    until = [each for each in weekly if each[0] < saturday.date()]

    found = forecast(until, Decimal(0), saturday)  # 2 weekend days and 2 weekdays are left

    assert found.expected is not None
    assert 19 <= found.expected <= 27


def test_eight_of_ten_months_lie_in_the_interval() -> None:
    rng, inside = random.Random(7), 0
    for _ in range(200):
        days = [Decimal(str(round(rng.gauss(100, 20), 4))) for _ in range(56 + 15)]
        found = forecast(history(days[:56]), Decimal(0), NOW)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= sum(days[56:]) <= found.high
    assert 130 <= inside <= 190


@given(
    st.lists(amounts, max_size=80),
    amounts,
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),
)
def test_a_forecast_is_at_least_what_was_spent_and_in_order(
    costs: list[Decimal], spent: Decimal, now: datetime
) -> None:
    found = forecast(history(costs, now), spent, now.replace(tzinfo=UTC))

    if found.expected is not None and found.low is not None and found.high is not None:
        assert spent <= found.low <= found.high
        assert found.expected >= spent
        assert found == forecast(history(costs, now), spent, now.replace(tzinfo=UTC))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1)))
def test_months(now: datetime) -> None:
    start = month_start(now)
    after = next_month(start)

    assert start <= now < after
    assert (start.day, after.day) == (1, 1)
    assert 28 <= (after - start).days <= 31
