import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding.openai import shared


@given(st.integers(1, 10**9), st.lists(st.integers(1, 10**4), min_size=1, max_size=64))
def test_shares_add_up_and_are_proportional(total: int, weights: list[int]) -> None:
    parts = shared(total, weights)

    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert part == pytest.approx(total * weight / sum(weights), abs=1)
