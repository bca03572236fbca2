"""The policy that a latency budget chooses."""

from hypothesis import given
from hypothesis import strategies as st

from services.memory.domain.policy import LADDER, Latencies, Policy

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
