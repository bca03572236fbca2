from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.usage import Kind
from libs.usage.prices import BUILT_IN, PriceSettings, PricesInvalid, parsed

FILE = Path("prices.yaml")
TWO = """
currency: EUR
versions:
  - version: second
    effective: 2026-07-01T00:00:00+02:00
    models: {m: {input: 0.3, output: 0.6}}
    million_requests: 1
  - version: first
    effective: 2026-01-01
    models: {m: {input: 0.1}, old: {input: 7}}
"""


def test_a_use_costs_what_it_cost_at_its_time() -> None:
    table = parsed(TWO, FILE)
    change = datetime(2026, 6, 30, 22, tzinfo=UTC)

    before = table.charge(Kind.INPUT_TOKENS, "m", 1, change - timedelta(microseconds=1))
    after = table.charge(Kind.INPUT_TOKENS, "m", 1, change)

    assert before == (Decimal("0.0000001"), "EUR", "first")
    assert after == (Decimal("0.0000003"), "EUR", "second")


def test_what_has_no_price_is_unknown_not_free() -> None:
    table, now = parsed(TWO, FILE), datetime(2026, 8, 1, tzinfo=UTC)

    assert table.charge(Kind.INPUT_TOKENS, "another", 1, now).amount is None
    assert table.charge(Kind.EMBEDDING_TOKENS, "old", 1, now).amount is None
    assert table.charge(Kind.OUTPUT_TOKENS, "m", 1, datetime(2026, 2, 1, tzinfo=UTC)).amount is None
    early = table.charge(Kind.INPUT_TOKENS, "m", 1, datetime(2025, 12, 31, tzinfo=UTC))
    assert early == (None, "EUR", "")


def test_what_our_own_machines_do_costs_nothing_unless_the_table_says_so() -> None:
    table = parsed(TWO, FILE)
    first, second = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)

    assert table.charge(Kind.REQUESTS, "", 10**6, first).amount == 0
    assert table.charge(Kind.REQUESTS, "", 10**6, second).amount == 1
    assert BUILT_IN.charge(Kind.BYTE_HOURS, "", 10**12, second).amount == 0


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_money_adds_up_exactly(quantities: list[int]) -> None:
    now = datetime(2026, 8, 1, tzinfo=UTC)
    model, kind = "text-embedding-3-small", Kind.EMBEDDING_TOKENS

    parts = [BUILT_IN.charge(kind, model, each, now).amount or 0 for each in quantities]

    assert sum(parts) == BUILT_IN.charge(kind, model, sum(quantities), now).amount


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "neither YAML nor JSON"),
        ("[]", "the table"),
        ("currency: USD\nversions: []", "versions"),
        ("currency: dollars\nversions: []", "currency"),
        (TWO.replace("2026-07-01T00:00:00+02:00", "2026-01-01"), "same time"),
        (TWO.replace("second", "first"), "same name"),
        (TWO.replace("0.3", "-1"), "versions.0.models.m.input"),
        (TWO.replace("0.3", "cheap"), "versions.0.models.m.input"),
        (TWO.replace("million_requests", "requests"), "versions.0.requests"),
        ("a: !!python/object/apply:os.getcwd []", "neither YAML nor JSON"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place(text: str, problem: str) -> None:
    with pytest.raises(PricesInvalid, match=problem):
        parsed(text, FILE)


def test_the_table_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(
        '{"currency": "USD", "versions": [{"version": "v", "effective": "2026-01-01"}]}'
    )

    assert PriceSettings(file=path).open().versions[0].version == "v"
    assert PriceSettings().open() is BUILT_IN
    with pytest.raises(PricesInvalid, match="cannot be read"):
        PriceSettings(file=tmp_path / "none").open()
