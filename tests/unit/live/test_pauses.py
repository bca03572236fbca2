"""How long a client waits, and how often it says what may wait."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from libs.live import Pauses
from libs.live.pauses import Seldom, Steady


@given(st.integers(0, 10_000), st.floats(0, 10), st.floats(0, 100), st.floats(0, 10))
def test_a_pause_is_at_most_what_doubles(
    failures: int, first: float, longest: float, crowded: float
) -> None:
    pauses = Pauses(first, longest, crowded)

    assert 0 <= pauses.after(failures) <= min(longest, first * 2 ** min(failures, 16))
    assert crowded <= pauses.in_crowd(failures) <= crowded + longest


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 10), st.integers(1, 10))
def test_no_more_go_through_than_at_once_and_in_each_second(
    gaps: list[float], at_once: int, a_second: int
) -> None:
    now, steady, times = 0.0, Steady(at_once, a_second, 0.0), [0.0]
    for gap in gaps:
        now += gap
        now += steady.next(now)
        times.append(now)

    times = times[1:]
    for place, begun in enumerate(times):
        for later in range(place, len(times)):
            allowed = at_once + (times[later] - begun) * a_second
            assert later - place + 1 <= allowed + 1e-6


async def test_what_may_wait_is_done_at_once_and_then_seldom_and_never_forgotten() -> None:
    wanted, done, twice = [0], list[int](), asyncio.Event()

    def act() -> None:
        done.append(wanted[0])
        if len(done) == 2:
            twice.set()

    seldom = Seldom(act, 0.02)
    for number in range(1, 101):
        wanted[0] = number
        seldom()
    assert done == [1]

    await asyncio.wait_for(twice.wait(), 5)
    assert done == [1, 100]
