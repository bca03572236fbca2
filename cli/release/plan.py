"""What a release does next, decided from what is seen. Pure: no cluster, no clock.

Each service has two Deployments, blue and green. The Services of the live colour carry the traffic,
those for the preview select the idle one. A release may be interrupted anywhere: the next one sees
the same state and goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Color(StrEnum):
    """One of the two Deployments of a service."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Color":
        return Color.GREEN if self is Color.BLUE else Color.BLUE


@dataclass(frozen=True, slots=True)
class Deployed:
    """A Deployment. `ready` counts pods of its newest template; 0 until it is rolled out."""

    image: str
    replicas: int
    ready: int

    @property
    def settled(self) -> bool:
        """Every pod that is wanted is there, new and ready."""
        return 0 < self.replicas <= self.ready


@dataclass(frozen=True, slots=True)
class Observed:
    """A service in the cluster.

    Attributes:
        live: The colour that the active Service selects: it alone decides.
        astray: Names of Services that select another colour than follows from `live`.
        switched: When `live` took over, until the release that did it has ended.
    """

    live: Color
    colors: Mapping[Color, Deployed]
    astray: tuple[str, ...] = ()
    switched: datetime | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What a release wants.

    Attributes:
        deadline: For the pods of the new colour to get ready.
        watch: So long after the switch it may still be taken back.
        drain: So long the old colour stays, for the connections to it.
    """

    to: Color
    image: str
    deadline: timedelta
    watch: timedelta
    drain: timedelta


@dataclass(frozen=True, slots=True)
class Progress:
    """What this run knows besides; a later run begins with none of it."""

    started: datetime
    checked: bool = False  # the new colour has passed its checks
    switched: bool = False
    failure: str = ""  # why the release is given up


@dataclass(frozen=True, slots=True)
class Align:
    """Make every Service select what follows from the live colour."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """Give the colour this image and so many replicas."""

    color: Color
    image: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Check:
    """Look whether the pods of the colour serve and make no errors: before the switch and after."""

    color: Color


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again soon."""

    reason: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Move the traffic to the colour."""

    to: Color


@dataclass(frozen=True, slots=True)
class SwitchBack:
    """As Switch, because the release is given up: nothing is watched afterwards."""

    to: Color


@dataclass(frozen=True, slots=True)
class ScaleDown:
    """End the pods of the colour, which is not the live one."""

    color: Color


@dataclass(frozen=True, slots=True)
class Close:
    """Note in the cluster that the release has ended."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Remember the reason as the failure of this run, then plan again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """The new colour is live and alone."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The old colour is live, or somebody else decided meanwhile."""

    reason: str


Action = (
    Align | Deploy | Check | Wait | Switch | SwitchBack | ScaleDown | Close | GiveUp | Done | Failed
)


def next_action(goal: Goal, seen: Observed, progress: Progress, now: datetime) -> Action:
    """The one thing to do now."""
    if progress.switched and seen.live is not goal.to and not progress.failure:
        return Failed("somebody else moved the traffic back")
    if seen.astray:
        return Align()
    if progress.failure:
        return _take_back(goal, seen, progress.failure)
    if seen.live is goal.to:
        return _after_switch(goal, seen, now)
    return _before_switch(goal, seen, progress, now)


def _before_switch(goal: Goal, seen: Observed, progress: Progress, now: datetime) -> Action:
    new, wanted = seen.colors[goal.to], max(seen.colors[seen.live].replicas, 1)
    if now - progress.started > goal.deadline:
        return GiveUp(f"{new.ready} of {wanted} pods became ready in time")
    if new.image != goal.image or new.replicas < wanted:
        return Deploy(goal.to, goal.image, wanted)
    if not new.settled:
        return Wait(f"{new.ready} of {new.replicas} pods are ready")
    return Switch(goal.to) if progress.checked else Check(goal.to)


def _after_switch(goal: Goal, seen: Observed, now: datetime) -> Action:
    if seen.switched is None:
        return Done()
    age = now - seen.switched
    if age < goal.watch:
        return Check(goal.to)
    if seen.colors[goal.to.other].replicas:
        if age < goal.drain:
            return Wait("clients leave the old pods as their connections get old")
        return ScaleDown(goal.to.other)
    return Close()


def _take_back(goal: Goal, seen: Observed, failure: str) -> Action:
    if seen.live is goal.to:
        old = seen.colors[goal.to.other]
        return (
            SwitchBack(goal.to.other)
            if old.settled
            else Failed(f"{failure}; nothing to go back to")
        )
    if seen.colors[goal.to].replicas:
        return ScaleDown(goal.to)
    return Failed(failure)
