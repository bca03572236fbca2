"""How long a client waits before it connects again."""

from hypothesis import given
from hypothesis import strategies as st

from libs.live import Pauses


@given(st.integers(0, 10_000), st.floats(0, 10), st.floats(0, 100), st.floats(0, 10))
def test_a_pause_is_at_most_what_doubles(
    failures: int, first: float, longest: float, crowded: float
) -> None:
    pauses = Pauses(first, longest, crowded)

    assert 0 <= pauses.after(failures) <= min(longest, first * 2 ** min(failures, 16))
    assert crowded <= pauses.in_crowd(failures) <= crowded + longest
