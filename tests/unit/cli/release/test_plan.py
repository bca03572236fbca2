"""A release played against a model of the cluster, with everything that may go wrong."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.release.plan import (
    Action,
    Align,
    Check,
    Close,
    Color,
    Deploy,
    Deployed,
    Done,
    Failed,
    GiveUp,
    Goal,
    Observed,
    Progress,
    ScaleDown,
    Switch,
    SwitchBack,
    Wait,
    next_action,
)

_START = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(seconds=10)
_GOAL = Goal(
    Color.GREEN,
    "app:2",
    deadline=timedelta(minutes=5),
    watch=timedelta(minutes=1),
    drain=timedelta(minutes=3),
)
_RUNNING, _RESTING = Deployed("app:1", 2, 2), Deployed("app:1", 0, 0)
_STEPS = 500  # far more than any release takes


@dataclass
class Model:
    """A cluster whose pods get ready one at each look, or never."""

    live: Color = Color.BLUE
    blue: Deployed = _RUNNING
    green: Deployed = _RESTING
    switched: datetime | None = None
    astray: tuple[str, ...] = ("memory-preview",)
    starts: bool = True
    now: datetime = _START
    done: list[Action] = field(default_factory=list)

    def seen(self) -> Observed:
        colors = {Color.BLUE: self.blue, Color.GREEN: self.green}
        return Observed(self.live, colors, self.astray, self.switched)

    def of(self, color: Color) -> Deployed:
        return self.seen().colors[color]

    def put(self, color: Color, deployed: Deployed) -> None:
        setattr(self, color.value, deployed)

    def perform(self, action: Action) -> None:
        """What the effects do; what must never be asked for fails here."""
        self.done.append(action)
        match action:
            case Align():
                self.astray = ()
            case Deploy(color, image, replicas):
                assert color is not self.live
                self.put(color, Deployed(image, replicas, 0))
            case Switch(color):
                assert self.of(color).settled
                assert any(isinstance(each, Check) for each in self.done)
                self.live, self.switched, self.astray = color, self.now, ("memory-preview",)
            case SwitchBack(color):
                assert self.of(color).settled
                self.live, self.switched, self.astray = color, None, ("memory-preview",)
            case ScaleDown(color):
                assert color is not self.live
                self.put(color, replace(self.of(color), replicas=0, ready=0))
            case Close():
                self.switched = None

    def pass_time(self) -> None:
        self.now += _STEP
        for color in Color:
            each = self.of(color)
            if each.ready < each.replicas and (self.starts or color is self.live):
                self.put(color, replace(each, ready=each.ready + 1))


def run(
    model: Model,
    goal: Goal = _GOAL,
    *,
    fails: int | None = None,
    killed: int | None = None,
    moved_back: int | None = None,
) -> Done | Failed | None:
    """Plays a release: its check number `fails` fails, it is killed before action number `killed`
    (None is returned), somebody moves the traffic back before number `moved_back`."""
    progress, checks = Progress(model.now), 0
    for number in range(_STEPS):
        if number == killed:
            return None
        if number == moved_back:
            model.live, model.switched = goal.to.other, None
        action = next_action(goal, model.seen(), progress, model.now)
        match action:
            case Done() | Failed():
                return action
            case GiveUp(reason):
                progress = replace(progress, failure=reason)
            case Check():
                failed = checks == fails
                checks += 1
                progress = replace(progress, checked=True, failure="errors" if failed else "")
        model.perform(action)
        if isinstance(action, Switch):
            progress = replace(progress, switched=True)
        if isinstance(action, Wait | Check | Deploy):
            model.pass_time()
    raise AssertionError("it never ends")


def is_stable(model: Model, color: Color) -> bool:
    """The colour is live and alone, and no release is under way."""
    alone = model.of(color).settled and not model.of(color.other).replicas
    return model.live is color and alone and model.switched is None and not model.astray


def test_a_release_takes_its_steps_in_order() -> None:
    model = Model()

    assert run(model) == Done()

    assert is_stable(model, Color.GREEN)
    assert model.green.image == "app:2"
    kinds = [type(each).__name__ for each in model.done]
    assert " ".join(kind for kind, _ in groupby(kinds)) == (
        "Align Deploy Wait Check Switch Align Check Wait ScaleDown Close"
    )


def test_the_old_colour_stays_until_its_connections_are_old() -> None:
    model = Model()
    run(model)

    assert model.now - _START >= _GOAL.drain


def test_pods_that_never_get_ready_change_nothing() -> None:
    model = Model(starts=False)

    ended = run(model)

    assert ended == Failed("0 of 2 pods became ready in time")
    assert is_stable(model, Color.BLUE)
    assert Switch(Color.GREEN) not in model.done


def test_a_candidate_that_fails_its_checks_is_never_switched_to() -> None:
    model = Model()

    assert run(model, fails=0) == Failed("errors")

    assert is_stable(model, Color.BLUE)
    assert Switch(Color.GREEN) not in model.done


def test_errors_after_the_switch_take_it_back_at_once() -> None:
    model = Model()

    assert run(model, fails=2) == Failed("errors")

    assert is_stable(model, Color.BLUE)
    back = model.done.index(SwitchBack(Color.BLUE))
    assert isinstance(model.done[back - 1], Align | Check)


def test_the_candidate_follows_the_scale_of_the_live_colour() -> None:
    model = Model(blue=Deployed("app:1", 5, 5))
    run(model)

    assert model.green.replicas == 5


def test_without_the_old_pods_a_bad_release_stays_and_says_so() -> None:
    seen = Observed(
        Color.GREEN,
        {Color.GREEN: Deployed("app:2", 2, 2), Color.BLUE: Deployed("app:1", 2, 0)},
        switched=_START,
    )
    progress = Progress(_START, failure="errors")

    assert next_action(_GOAL, seen, progress, _START) == Failed("errors; nothing to go back to")


@pytest.mark.parametrize("to", Color)
def test_a_release_that_has_ended_is_done(to: Color) -> None:
    goal = replace(_GOAL, to=to)
    seen = Observed(to, {each: Deployed("app:2", 1, 1) for each in Color})

    assert next_action(goal, seen, Progress(_START), _START) == Done()


@given(
    replicas=st.integers(0, 6),
    leftover=st.integers(0, 3),
    fails=st.none() | st.integers(0, 8),
    killed=st.none() | st.integers(0, 60),
    starts=st.booleans(),
)
def test_it_ends_with_one_stable_colour_however_it_is_interrupted(
    replicas: int, leftover: int, fails: int | None, killed: int | None, starts: bool
) -> None:
    model = Model(
        blue=Deployed("app:1", replicas, replicas),
        green=Deployed("app:0", leftover, leftover),
        starts=starts,
    )

    ended = run(model, fails=fails, killed=killed)
    if ended is None:  # the next run finishes it
        ended = run(model)

    expected = Color.GREEN if ended == Done() else Color.BLUE
    if replicas or expected is Color.GREEN:
        assert is_stable(model, expected)


@given(moved_back=st.integers(0, 60))
def test_somebody_elses_rollback_is_respected(moved_back: int) -> None:
    model = Model()

    ended = run(model, moved_back=moved_back)

    back = [place for place, each in enumerate(model.done) if each == Switch(Color.GREEN)]
    if back and moved_back > back[0]:
        assert model.live is Color.BLUE or ended == Done()
        assert len(back) == 1
