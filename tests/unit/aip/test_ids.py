import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from libs.aip.ids import Uuid7, uuid7

moments = st.integers(0, 2**48 - 100_000)  # milliseconds
clocks = st.lists(moments | st.sampled_from([0, 1, 7]), min_size=2)


@given(clocks)
def test_ids_grow_whatever_the_clock_does(readings: list[int]) -> None:
    clock: Iterator[int] = iter(readings)
    make = Uuid7(lambda: next(clock))

    made = [make() for _ in readings]

    assert all(one < next_ and str(one) < str(next_) for one, next_ in pairwise(made))
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


@given(moments)
def test_the_first_48_bits_are_the_time(moment: int) -> None:
    make = Uuid7(lambda: moment)

    assert [make().int >> 80 for _ in range(50)] == [moment] * 50


def test_ids_of_two_makers_differ_in_the_same_millisecond() -> None:
    makers = [Uuid7(lambda: 1) for _ in range(500)]

    assert len({make() for make in makers}) == 500


def test_a_full_millisecond_runs_into_the_next() -> None:
    make = Uuid7(lambda: 1000, lambda _: 2**73 - 1)  # 74 bits have room for one such step

    made = [make() for _ in range(6)]

    assert made == sorted(set(made))
    assert [each.int >> 80 for each in made] == [1000, 1000, 1001, 1001, 1002, 1002]
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


def test_ids_of_many_threads_are_distinct() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = [each for part in pool.map(lambda _: many(), range(4)) for each in part]

    assert len(set(made)) == len(made)


def many() -> list[object]:
    return [uuid7() for _ in range(2000)]


def test_the_usual_clock_is_the_system_s() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    after = time.time_ns() // 1_000_000

    assert before <= made <= after + 1
