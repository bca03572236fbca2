import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding.evidence import CONFIDENCE, LEAST_CHECKS, Evidence, below
from libs.embedding.wording import Grade

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
shares = st.floats(0.0005, 0.9995)


def integrated(wrong: float, checked: float, bound: float, steps: int = 1000) -> float:
    """The same by the midpoint rule over sin^2, which has no poles."""
    a, b = wrong + 0.5, checked - wrong + 0.5
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    end = math.asin(math.sqrt(bound))
    total = 0.0
    for step in range(steps):
        angle = (step + 0.5) * end / steps
        total += math.exp(
            math.log(2)
            + (2 * a - 1) * math.log(math.sin(angle))
            + (2 * b - 1) * math.log(math.cos(angle))
            - log_beta
        )
    return total * end / steps


@pytest.mark.parametrize(("wrong", "checked"), [(0, 10), (0, 175), (1, 92), (13.3, 249.7), (5, 5)])
@pytest.mark.parametrize("bound", [0.005, 0.02, 0.3, 0.9])
def test_it_is_the_beta_distribution(wrong: float, checked: float, bound: float) -> None:
    assert below(wrong, checked, bound) == pytest.approx(
        integrated(wrong, checked, bound), abs=1e-4
    )


@given(counts, shares, shares)
def test_a_wider_bound_is_surer(seen: tuple[int, int], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= below(*seen, low) <= below(*seen, high) + 1e-9 <= 1 + 2e-9


@given(counts, shares)
def test_a_wrong_one_more_is_less_sure(seen: tuple[int, int], bound: float) -> None:
    wrong, checked = seen
    assert below(wrong + 1, checked + 1, bound) <= below(wrong, checked + 1, bound) + 1e-9


def test_nothing_is_open_at_one_percent_as_shipped() -> None:
    assert [each for each in Grade if Evidence().allows(each, 0.01)] == []
    assert [each for each in Grade if Evidence().allows(each, 0.02)] == [Grade.ARTICLES]


def test_right_checks_open_a_kind_and_wrong_ones_close_it() -> None:
    evidence, checks = Evidence(), 0
    while not evidence.allows(Grade.ARTICLES, 0.01):
        evidence, checks = evidence.after(Grade.ARTICLES, wrong=False), checks + 1
    assert 10 < checks < 30

    assert not evidence.after(Grade.ARTICLES, wrong=True).allows(Grade.ARTICLES, 0.01)
    assert evidence.counts[Grade.LETTERS] == Evidence().counts[Grade.LETTERS]


def test_few_checks_open_nothing() -> None:
    few = Evidence(dict.fromkeys(Grade, (0.0, LEAST_CHECKS - 1.0)))
    enough = Evidence(dict.fromkeys(Grade, (0.0, float(LEAST_CHECKS))))

    assert not few.allows(Grade.LETTERS, 1.0)
    assert enough.allows(Grade.LETTERS, 1.0)
    assert below(0, LEAST_CHECKS, 0.03) > CONFIDENCE


def test_no_errors_at_all_are_never_proven() -> None:
    assert not Evidence(dict.fromkeys(Grade, (0.0, 2000.0))).allows(Grade.LETTERS, 0.0)


def test_old_checks_fade() -> None:
    evidence = Evidence(dict.fromkeys(Grade, (100.0, 100.0)))
    for _ in range(8000):
        evidence = evidence.after(Grade.LETTERS, wrong=False)

    wrong, checked = evidence.counts[Grade.LETTERS]
    assert wrong == pytest.approx(100 * math.exp(-4), rel=0.01)
    assert checked == pytest.approx(2000, rel=0.03)


@given(st.lists(counts, min_size=len(Grade), max_size=len(Grade)))
def test_it_survives_being_stored(values: list[tuple[int, int]]) -> None:
    evidence = Evidence(dict(zip(Grade, values, strict=True)))

    assert Evidence.stored(evidence.to_bytes()) == evidence


@pytest.mark.parametrize("data", [None, b"", b"\x00" * 95, b"\x00" * 97])
def test_what_was_not_stored_here_is_nothing(data: bytes | None) -> None:
    assert Evidence.stored(data) is None
