"""Which days a text speaks of."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory.domain.moments import meant, named_days, spoken
from services.memory.domain.spans import Span, unit, whole_months

WEDNESDAY = date(2024, 5, 15)
units = st.sampled_from(["day", "week", "month", "year"])
days = st.dates(date(1000, 1, 1), date(3000, 1, 1))


def span(first: str, last: str = "") -> Span:
    return Span(date.fromisoformat(first), date.fromisoformat(last or first))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("back in 2022", span("2022-01-01", "2022-12-31")),
        ("May 2022", span("2022-05-01", "2022-05-31")),
        ("february, 2024", span("2024-02-01", "2024-02-29")),
        ("since December", span("2023-12-01", "2023-12-31")),
        ("in May", span("2024-05-01", "2024-05-31")),
        ("May last year", span("2023-05-01", "2023-05-31")),
        ("summer of last year", span("2023-06-01", "2023-08-31")),
        ("winter 2022", span("2022-12-01", "2023-02-28")),
        ("7 May 2023", span("2023-05-07")),
        ("the 7th of May, 2023", span("2023-05-07")),
        ("Oct 3rd,2023", span("2023-10-03")),
        ("2023-05-07", span("2023-05-07")),
        ("on December 24", span("2023-12-24")),
    ],
)
def test_what_is_named_is_that_or_the_nearest(text: str, expected: Span) -> None:
    assert spoken(f"We sang {text}.", WEDNESDAY) == (expected,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday", span("2024-05-14")),
        ("the day before yesterday", span("2024-05-13")),
        ("Tonight", span("2024-05-15")),
        ("tomorrow", span("2024-05-16")),
        ("last week", span("2024-05-06", "2024-05-12")),
        ("this week", span("2024-05-13", "2024-05-19")),
        ("last weekend", span("2024-05-11", "2024-05-12")),
        ("next weekend", span("2024-05-25", "2024-05-26")),
        ("this past weekend", span("2024-05-11", "2024-05-12")),
        ("last\nmonth", span("2024-04-01", "2024-04-30")),
        ("next year", span("2025-01-01", "2025-12-31")),
        ("last Wednesday", span("2024-05-08")),
        ("last Friday", span("2024-05-10")),
        ("next Friday", span("2024-05-17")),
        ("this Monday", span("2024-05-13")),
        ("last May", span("2023-05-01", "2023-05-31")),
        ("next August", span("2024-08-01", "2024-08-31")),
        ("last summer", span("2023-06-01", "2023-08-31")),
        ("this fall", span("2024-09-01", "2024-11-30")),
        ("two years ago", span("2022-01-01", "2022-12-31")),
        ("about a year ago", span("2023-01-01", "2023-12-31")),
        ("5 months ago", span("2023-12-01", "2023-12-31")),
        ("a couple of weeks ago", span("2024-04-29", "2024-05-05")),
        ("two weekends ago", span("2024-05-04", "2024-05-05")),
        ("a few days ago", span("2024-05-11", "2024-05-13")),
        ("in three weeks", span("2024-06-03", "2024-06-09")),
    ],
)
def test_what_is_relative_is_so_to_the_day_of_the_text(text: str, expected: Span) -> None:
    assert spoken(f"We sang {text}!", WEDNESDAY) == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "I may march in two lines",
        "$2000, 2,000 steps, version 1.2023.4",
        "an hour ago, long ago, the last time, the last week of August",
        "31 June 2023, 999 months, 2023-13-01",
        "vor zwei Jahren, gestern, l'année dernière",
        "",
    ],
)
def test_nothing_else_is_a_time(text: str) -> None:
    assert spoken(text, WEDNESDAY) == ()


def test_several_times_are_told_in_their_order() -> None:
    text = "Last week I sang; on 7 May 2023 I did not, nor in 2022."

    assert [each.days for each in spoken(text, WEDNESDAY)] == [7, 1, 365]


@given(st.integers(1, 300), units, days)
def test_so_many_ago_is_what_lies_so_many_before(number: int, name: str, day: date) -> None:
    (found,) = spoken(f"It was {number} {name}s ago", day)

    assert found == unit(name, day, -number)
    assert found.last < day


@given(units, days)
def test_what_is_next_begins_where_this_ends(name: str, day: date) -> None:
    this = unit(name, day)

    assert this.first <= day <= this.last
    assert unit(name, day, 1).first - this.last == timedelta(days=1)
    assert this.first - unit(name, day, -1).last == timedelta(days=1)


@given(days, days)
def test_a_date_is_the_same_whenever_it_is_said(written: date, day: date) -> None:
    if 1900 <= written.year < 2100:
        for text in (written.isoformat(), f"{written:%d %B %Y}", f"{written:%B %d, %Y}"):
            assert spoken(text, day) == (unit("day", written),)


@given(
    st.text() | st.from_regex(r"(in|last|two|a few|May|3) (years?|May|Friday)( ago)?"), st.dates()
)
def test_any_text_of_any_day_is_read(text: str, day: date) -> None:
    for each in spoken(text, day):
        assert each.first <= each.last
    assert set(meant(text, day)) <= set(spoken(text, day)) or named_days(text, day)


@given(days, days)
def test_a_share_is_a_part(one: date, other: date) -> None:
    year, week = unit("year", one), unit("week", other)

    assert 0 <= week.share([year]) <= 1
    assert week.share([week, year]) == 1
    assert week.share([]) == 0


def test_months_go_on_into_the_next_year() -> None:
    winter = whole_months(2022, 12, 3)

    assert winter.months() == [(2022, 12), (2023, 1), (2023, 2)]
    assert winter.share([whole_months(2023, 1, 12)]) == pytest.approx(59 / 90)
