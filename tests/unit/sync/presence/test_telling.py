"""What a room is told, and when."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.sync.presence.domain.members import Counts, Member, State
from services.sync.presence.domain.telling import Telling, Update

FEW, MANY = Counts(20, 10), Counts(100_000, 90_000)


def member(number: int, state: State = State.ACTIVE) -> Member:
    return Member(f"c{number}", f"u{number}", "", "", 0, state)


def test_of_each_connection_the_latest_is_told() -> None:
    telling = Telling()
    for state in (State.ACTIVE, State.IDLE, State.OFFLINE):
        telling.add(member(1, state), FEW)

    assert telling.take(0, FEW, partial=False) == Update(
        (member(1, State.OFFLINE),), FEW, partial=False
    )
    assert telling.due(FEW, partial=False) is None


def test_counts_are_told_when_they_change_and_when_they_are_partial() -> None:
    telling = Telling()
    assert telling.take(0, FEW, partial=False)

    assert telling.take(1, FEW, partial=False) is None
    assert telling.take(2, FEW, partial=True) == Update((), FEW, partial=True)
    assert telling.take(3, MANY, partial=True) == Update((), MANY, partial=True)


moments = st.lists(
    st.tuples(st.integers(0, 300), st.floats(0.001, 0.5), st.sampled_from(list(State))),
    max_size=300,
)


@given(moments)
def test_a_small_room_hears_of_everyone_and_not_too_often(
    changes: list[tuple[int, float, State]],
) -> None:
    telling, now = Telling(), 0.0
    last: dict[str, Member] = {}
    told: dict[str, Member] = {}
    times = []
    for number, step, state in [*changes, (0, 1.0, State.ACTIVE)]:
        now += step
        changed = member(number, state)
        last[changed.connection] = changed
        telling.add(changed, FEW)
        if update := telling.take(now, FEW, partial=False):
            times.append(now)
            told |= {each.connection: each for each in update.changes}

    assert told == last
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(times))


@given(moments)
def test_a_large_room_hears_of_fifty_a_second_at_most(
    changes: list[tuple[int, float, State]],
) -> None:
    telling, now = Telling(), 0.0
    updates: list[tuple[float, Update]] = []
    for number, step, state in changes:
        now += step / 100
        telling.add(member(number, state), MANY)
        if update := telling.take(now, replace_people(MANY, number), partial=False):
            updates.append((now, update))

    assert all(len(update.changes) <= 50 for _, update in updates)
    assert all(later - earlier >= 0.999 for (earlier, _), (later, _) in pairwise(updates))


def replace_people(counts: Counts, number: int) -> Counts:
    return counts._replace(people=counts.people + number)


def test_what_waits_for_a_large_room_does_not_grow() -> None:
    telling = Telling()
    for number in range(10_000):
        telling.add(replace(member(number), device="d"), MANY)

    update = telling.take(0, MANY, partial=False)
    assert update
    assert [each.connection for each in update.changes] == [f"c{n}" for n in range(9950, 10_000)]
