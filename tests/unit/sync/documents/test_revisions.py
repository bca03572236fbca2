"""Edits close in time as one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.sync.documents.domain.revisions import APART, Revision, grouped

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def edits(*made: tuple[str, int]) -> list[Revision]:
    """By whom, and how many minutes after the first; newest first."""
    return [
        Revision(number, number + 1, person, at, at, inserted=1, deleted=2)
        for number, (person, minutes) in enumerate(made)
        for at in (NOW + timedelta(minutes=minutes),)
    ][::-1]


def test_a_pause_and_another_person_begin_another_revision() -> None:
    found = list(grouped(edits(("ann", 0), ("ann", 5), ("ann", 11), ("bob", 11), ("ann", 12))))

    assert [(each.base, each.version, each.person) for each in found] == [
        (4, 5, "ann"),
        (3, 4, "bob"),
        (2, 3, "ann"),
        (0, 2, "ann"),
    ]
    assert (found[-1].inserted, found[-1].deleted) == (2, 4)
    assert found[-1].ended_at == NOW + timedelta(minutes=5)


@given(st.lists(st.tuples(st.sampled_from(("ann", "bob")), st.integers(0, 9)), max_size=20))
def test_revisions_follow_each_other_and_lose_nothing(made: list[tuple[str, int]]) -> None:
    at, minutes = 0, list[tuple[str, int]]()
    for person, pause in made:
        at += pause
        minutes.append((person, at))

    found = list(grouped(edits(*minutes)))[::-1]

    versions = [(each.base, each.version) for each in found]
    assert [base for base, _ in versions] == [0, *(end for _, end in versions)][: len(versions)]
    assert sum(each.inserted for each in found) == len(made)
    for one, next_one in pairwise(found):
        apart = next_one.began_at - one.ended_at > APART
        assert apart or one.person != next_one.person
