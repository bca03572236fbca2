"""What time makes of somebody."""

from hypothesis import given
from hypothesis import strategies as st

from services.sync.presence.domain.activity import Activity, Patience
from services.sync.presence.domain.members import State

PATIENCE = Patience()


def test_a_quiet_minute_is_idle_and_silence_is_offline() -> None:
    somebody = Activity(heard=0, active=0)

    assert somebody.state(59.9, PATIENCE) is State.ACTIVE
    assert somebody.state(60, PATIENCE) is State.IDLE
    assert somebody.state(89.9, PATIENCE) is State.IDLE
    assert somebody.state(90, PATIENCE) is State.OFFLINE


def test_heartbeats_keep_somebody_there_but_not_active() -> None:
    somebody = Activity(heard=3600, active=0)

    assert somebody.state(3600, PATIENCE) is State.IDLE
    assert somebody.turns(3600, PATIENCE) == 3690


def test_who_says_so_is_idle_at_once() -> None:
    assert Activity(heard=0, active=0, away=True).state(1, PATIENCE) is State.IDLE


times = st.floats(0, 10_000)


@given(heard=times, active=times, away=st.booleans(), now=times, later=times)
def test_nothing_changes_before_it_turns(
    heard: float, active: float, away: bool, now: float, later: float
) -> None:
    somebody = Activity(heard, active, away)
    state, turns = somebody.state(now, PATIENCE), somebody.turns(now, PATIENCE)

    if now <= later < turns:
        assert somebody.state(later, PATIENCE) is state
    if state is not State.OFFLINE:
        assert turns > now
        assert somebody.state(turns, PATIENCE) is not State.ACTIVE


@given(heard=times, active=times, now=times, back=times)
def test_a_clock_that_goes_back_wakes_nobody_up_too_late(
    heard: float, active: float, now: float, back: float
) -> None:
    somebody = Activity(heard, active)

    assert somebody.state(min(now, back), PATIENCE) <= somebody.state(now, PATIENCE)
