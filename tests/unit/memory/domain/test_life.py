"""How memories fade, and where that puts them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import exp
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.scope import Scope
from services.memory.domain.feedback import Feedback, moved
from services.memory.domain.life import RATES, Expiry, Life, faded
from services.memory.domain.memory import Layer, Stored, Tier
from services.memory.domain.upkeep import Prune, Retier, pruned, retiered

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MEMORY = Stored(
    UUID(int=1), Layer.USER, Scope(), 0.5, 1, 0, b"text", b"{}", NOW, NOW, b"", NOW, NOW
)

shares = st.floats(0, 1)
rates = st.floats(0, 10)
ages = st.timedeltas(timedelta(-10), timedelta(10_000))
counts = st.dictionaries(st.sampled_from(Feedback), st.integers(0, 100))
lives = st.builds(
    lambda own, bounds: Life({**RATES, **own}, max(bounds), min(bounds)),
    st.dictionaries(st.sampled_from(Layer), rates),
    st.tuples(shares, shares),
)
memories = st.builds(
    lambda layer, importance, said, tier: replace(
        MEMORY, layer=layer, importance=importance, feedback=said, tier=tier
    ),
    st.sampled_from(Layer),
    shares,
    counts,
    st.sampled_from(Tier),
)
_WARMTH = [Tier.ARCHIVED, Tier.WARM, Tier.HOT]


@given(shares, rates, ages, ages)
def test_what_is_older_or_fades_faster_is_never_more(
    importance: float, rate: float, one: timedelta, other: timedelta
) -> None:
    younger, older = sorted([one, other])

    assert 0 <= faded(importance, rate, older) <= faded(importance, rate, younger) <= importance
    assert faded(importance, rate, older) <= faded(importance, rate / 2, older)


@given(shares, ages)
def test_without_a_rate_nothing_fades(importance: float, age: timedelta) -> None:
    assert faded(importance, 0, age) == importance


@pytest.mark.parametrize(
    ("rate", "age", "left"),
    [
        (0.05, DAY, 0.5 * exp(-0.05)),
        (0.05, 14 * DAY, 0.5 * exp(-0.7)),
        (0.05, DAY - timedelta.resolution, 0.5),
        (0.05, -DAY, 0.5),
        (10, 1000 * DAY, 0.0),
    ],
)
def test_it_fades_by_the_whole_day(rate: float, age: timedelta, left: float) -> None:
    assert faded(0.5, rate, age) == pytest.approx(left)


@given(lives, memories, ages)
def test_feedback_fades_with_the_rest_and_the_tier_never_rises_with_age(
    life: Life, memory: Stored, age: timedelta
) -> None:
    importance = life.importance(memory, NOW + age)

    assert 0 <= importance <= moved(memory.importance, memory.feedback)
    assert importance == life.importance(replace(memory, tier=Tier.HOT), NOW + age)
    later = life.tier(memory, NOW + age + DAY)
    assert _WARMTH.index(later) <= _WARMTH.index(life.tier(memory, NOW + age))


@pytest.mark.parametrize(
    ("importance", "tier"),
    [(0.1, Tier.HOT), (0.099, Tier.WARM), (0.01, Tier.WARM), (0.0099, Tier.ARCHIVED)],
)
def test_a_tier_begins_below_its_bound(importance: float, tier: Tier) -> None:
    assert Life().tier(replace(MEMORY, importance=importance), NOW) is tier


@given(lives, memories, ages)
def test_a_move_is_made_once_and_touches_nothing_else(
    life: Life, memory: Stored, age: timedelta
) -> None:
    at = NOW + age
    steps = list(retiered({memory.id: memory}, Retier((memory.id, UUID(int=2)), at, life)))

    if steps:
        ((step),) = steps
        assert step.after is not None
        assert step.after.tier is life.tier(memory, at) is not memory.tier
        assert step.after == replace(memory, tier=step.after.tier, version=2, updated_at=at)
        assert list(retiered({memory.id: step.after}, Retier((memory.id,), at, life))) == []
    else:  # it is there, or cannot be found by words without an entry
        assert life.tier(memory, at) is memory.tier or memory.tier is Tier.ARCHIVED


@pytest.mark.parametrize(
    ("change", "expiry", "goes"),
    [
        ({"tier": Tier.ARCHIVED}, {"archived_before": NOW + DAY}, True),
        ({"tier": Tier.ARCHIVED}, {"archived_before": NOW}, False),
        ({"tier": Tier.WARM}, {"archived_before": NOW + DAY}, False),
        ({"tier": Tier.ARCHIVED}, {"invalid_before": NOW + DAY}, False),
        ({"valid_until": NOW}, {"invalid_before": NOW + DAY}, True),
        ({"valid_until": NOW}, {"invalid_before": NOW}, False),
        ({"valid_until": NOW}, {"archived_before": NOW + DAY}, False),
        ({}, {"invalid_before": NOW + 10_000 * DAY}, False),
        ({"tier": Tier.ARCHIVED, "valid_until": NOW}, {}, False),
    ],
)
def test_only_what_has_expired_goes(
    change: Mapping[str, object], expiry: Mapping[str, datetime], goes: bool
) -> None:
    memory = replace(MEMORY, **change)  # type: ignore[arg-type]
    body = Prune((memory.id, UUID(int=2)), Expiry(**expiry))

    steps = list(pruned({memory.id: memory}, body))

    assert [step.before for step in steps] == ([memory] if goes else [])
