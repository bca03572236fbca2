"""How far what people say moves an importance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory.domain.feedback import Feedback, counted, moved

importances = st.floats(0, 1)
counts = st.dictionaries(st.sampled_from(Feedback), st.integers(0, 10_000))


@given(importances, counts)
def test_an_importance_stays_one_and_moves_by_a_bounded_part(
    importance: float, said: dict[Feedback, int]
) -> None:
    after = moved(importance, said)

    assert 0 <= after <= 1
    assert abs(after - importance) <= 0.3


@given(importances, counts, st.sampled_from(Feedback))
def test_praise_never_lowers_it_and_blame_never_raises_it(
    importance: float, said: dict[Feedback, int], one: Feedback
) -> None:
    more = {**said, one: said.get(one, 0) + 1}

    change = moved(importance, more) - moved(importance, said)

    assert change >= 0 if one is Feedback.HELPFUL else change <= 0


@pytest.mark.parametrize(
    ("said", "importance"),
    [
        ({}, 0.5),
        ({Feedback.HELPFUL: 1}, 0.575),
        ({Feedback.HELPFUL: 3}, 0.65),
        ({Feedback.INACCURATE: 1}, 0.425),
        ({Feedback.IRRELEVANT: 2}, 0.425),
        ({Feedback.HELPFUL: 2, Feedback.OUTDATED: 2}, 0.5),
    ],
)
def test_the_rule_is_the_documented_one(said: dict[Feedback, int], importance: float) -> None:
    assert moved(0.5, said) == pytest.approx(importance)


def test_each_person_counts_once() -> None:
    said = {"ann": Feedback.HELPFUL, "bob": Feedback.HELPFUL, "eve": Feedback.OUTDATED}

    assert counted(said) == {Feedback.HELPFUL: 2, Feedback.OUTDATED: 1}
