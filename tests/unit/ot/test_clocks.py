"""Hybrid logical clocks, and fields whose latest value stays."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from libs.ot.clocks import (
    MOST_AHEAD,
    NEVER,
    Fields,
    Time,
    Written,
    hear,
    is_believable,
    merge,
    tick,
    values,
)

_times = st.builds(Time, st.integers(1, 5), st.integers(0, 3))
_fields = st.dictionaries(
    st.sampled_from(["title", "state"]),
    st.builds(Written, st.none() | st.sampled_from(["a", "é", "😀", "\ufffd"]), _times),
)


@given(_times, st.integers(0, 8))
def test_a_clock_never_goes_back(last: Time, now: int) -> None:
    time = tick(last, now)

    assert time > last
    assert time.milliseconds == max(last.milliseconds, now)


@given(_times, _times, st.integers(0, 8))
def test_a_clock_is_ahead_of_what_it_was_told(last: Time, told: Time, now: int) -> None:
    time = hear(last, told, now)

    assert time > last
    assert time > told
    assert time.milliseconds == max(last.milliseconds, told.milliseconds, now)


def test_the_counter_is_none_but_for_times_in_one_millisecond() -> None:
    assert tick(NEVER, 7) == Time(7)
    assert tick(Time(7), 7) == Time(7, 1)
    assert tick(Time(7, 1), 6) == Time(7, 2)
    assert tick(Time(7, 2**31 - 1), 7) == Time(8)
    assert hear(Time(7), Time(9, 4), 8) == Time(9, 5)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3)), max_size=30))
def test_a_clock_is_no_further_ahead_than_the_machines_differ(
    events: list[tuple[int, int]],
) -> None:
    """Three machines that are wrong by up to 3 ms send each other times."""
    clocks = [NEVER] * 3
    for now, (machine, skew) in enumerate(events, start=10):
        told = clocks[(machine + 1) % 3]
        clocks[machine] = hear(clocks[machine], told, now + skew)
        assert clocks[machine].milliseconds <= now + 3


def test_times_of_the_future_are_not_believed() -> None:
    assert is_believable(Time(1000 + MOST_AHEAD, 5), 1000)
    assert not is_believable(Time(1001 + MOST_AHEAD), 1000)


@given(st.lists(_fields, max_size=5), st.data())
def test_fields_come_out_alike_in_any_order_and_number(
    edits: list[Fields], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(edits + edits[:2]))

    assert _all(shuffled) == _all(edits)


def _all(edits: list[Fields]) -> Fields:
    return reduce(lambda fields, edit: merge(fields, edit)[0], edits, {})


@given(_fields, _fields)
def test_only_what_changes_a_field_is_told(fields: Fields, edits: Fields) -> None:
    after, changed = merge(fields, edits)

    assert {**fields, **changed} == after
    assert all(edits[name] == each != fields.get(name) for name, each in changed.items())
    assert merge(after, edits) == (after, {})


def test_a_removed_field_is_not_brought_back_by_what_was_written_before() -> None:
    fields, _ = merge({}, {"title": Written("old", Time(5))})
    fields, _ = merge(fields, {"title": Written(None, Time(9))})
    fields, changed = merge(fields, {"title": Written("late", Time(7))})

    assert (values(fields), changed) == ({}, {})
    fields, _ = merge(fields, {"title": Written("new", Time(10))})
    assert values(fields) == {"title": "new"}
