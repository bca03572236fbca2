"""The policy that a latency budget chooses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory.domain.policy import LADDER, TOLERATED, Latencies, Losses, Policy

KIND = "acme"
seconds = st.floats(1e-4, 10)
observations = st.lists(st.tuples(st.sampled_from(LADDER), seconds), max_size=40)


@given(observations, seconds)
def test_no_policy_is_chosen_that_is_known_to_be_too_slow(
    observed: list[tuple[Policy, float]], budget: float
) -> None:
    latencies = Latencies()
    for policy, taken in observed:
        latencies.observe(KIND, policy, max(taken, budget * 2))

    assert latencies.choose(KIND, budget) in {Policy.FAST, *(set(LADDER) - dict(observed).keys())}


@given(seconds)
def test_with_room_it_climbs_to_the_most_precise_and_stays(taken: float) -> None:
    latencies = Latencies()
    chosen = []
    for _ in range(8):
        chosen.append(latencies.choose(KIND, taken * 100))
        latencies.observe(KIND, chosen[-1], taken)

    assert chosen == [*LADDER, *[Policy.PRECISE] * 4]


def test_it_keeps_to_the_most_precise_that_fits() -> None:
    taken = dict(zip(LADDER, (0.01, 0.02, 0.04, 0.5), strict=True))
    latencies = Latencies()
    chosen = []
    for _ in range(60):
        chosen.append(latencies.choose(KIND, 0.2))
        latencies.observe(KIND, chosen[-1], taken[chosen[-1]])

    assert chosen.count(Policy.PRECISE) <= 2
    assert chosen[-20:].count(Policy.RANKING) >= 19


def test_what_was_too_slow_is_tried_again() -> None:
    latencies = Latencies()
    for policy in LADDER:
        latencies.observe(KIND, policy, 0.001)
    latencies.observe(KIND, Policy.PRECISE, 5)
    chosen = []
    for _ in range(2000):
        chosen.append(latencies.choose(KIND, 0.1))
        latencies.observe(KIND, chosen[-1], 0.001)

    assert chosen[0] is Policy.RANKING
    assert chosen[-1] is Policy.PRECISE


def test_kinds_do_not_learn_from_each_other() -> None:
    latencies = Latencies()
    for policy in LADDER:
        latencies.observe("large", policy, 9)
        latencies.observe("small", policy, 0.001)

    assert latencies.choose("large", 1) is Policy.FAST
    assert latencies.choose("small", 1) is Policy.PRECISE


def measured(losses: Losses, missing: dict[Policy, int], times: int) -> None:
    """So many measurements over 100 results, of which each policy misses some."""
    for _ in range(times):
        found = {policy: range(missing.get(policy, 0), 100) for policy in LADDER}
        losses.observe(KIND, found)


def test_a_loss_counts_when_it_was_measured_often_enough() -> None:
    losses = Losses()
    measured(losses, {Policy.FAST: 20}, 19)
    assert losses.of(KIND, Policy.FAST) is None
    assert losses.enough(KIND) is Policy.PRECISE

    measured(losses, {Policy.FAST: 20}, 1)

    assert losses.of(KIND, Policy.FAST) == pytest.approx(0.2)
    assert losses.of("bolt", Policy.FAST) is None


@given(st.tuples(*[st.integers(0, 3)] * 3))
def test_the_fastest_that_loses_little_is_enough(missing: tuple[int, ...]) -> None:
    losses = Losses()
    measured(losses, dict(zip(LADDER, missing, strict=False)), 30)

    enough = losses.enough(KIND)
    loss = losses.of(KIND, enough)
    assert loss is not None
    assert loss <= TOLERATED + 1e-9
    faster = LADDER[: LADDER.index(enough)]
    assert all((losses.of(KIND, each) or 0) > TOLERATED for each in faster)


@given(st.sampled_from(LADDER), seconds)
def test_with_room_it_climbs_no_further_than_is_enough(enough: Policy, taken: float) -> None:
    latencies = Latencies()
    chosen = []
    for _ in range(8):
        chosen.append(latencies.choose(KIND, taken * 100, enough))
        latencies.observe(KIND, chosen[-1], taken)

    assert chosen[-1] is enough


def test_what_was_measured_of_other_vectors_fades() -> None:
    losses = Losses()
    measured(losses, {Policy.FAST: 50}, 200)
    measured(losses, {}, 1500)

    assert (losses.of(KIND, Policy.FAST) or 0) < 0.01
