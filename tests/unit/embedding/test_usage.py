from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding.openai import shared
from libs.embedding.usage import Prices


def test_money_is_exact() -> None:
    prices = Prices(per_million_tokens={"m": Decimal("0.02")})

    assert prices.amount("m", 1) == Decimal("0.00000002")
    assert prices.amount("m", 3_000_000) == Decimal("0.06")
    assert prices.amount("m", 0) == 0


def test_what_has_no_price_is_not_free() -> None:
    assert Prices().amount("a model of our own", 1) is None


@given(st.integers(1, 10**9), st.lists(st.integers(1, 10**4), min_size=1, max_size=64))
def test_shares_add_up_and_are_proportional(total: int, weights: list[int]) -> None:
    parts = shared(total, weights)

    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert part == pytest.approx(total * weight / sum(weights), abs=1)
