"""Carries a release out: looks, asks the plan, does what it says, until it has ended.

What is done may be interrupted anywhere; nothing is kept but in the cluster.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cli.release.checks import Reports, judge
from cli.release.cluster import ClusterUnavailable, Overtaken
from cli.release.plan import (
    Action,
    Align,
    Check,
    Close,
    Color,
    Deploy,
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
from libs.errors import AppError, Kind

_PAUSE = 1.0  # seconds between looks
_BAD_LOOKS = 3  # in a row, before a colour is judged by them
_LOST_LOOKS = 30  # in a row without an answer of the API server


class ReleaseFailed(AppError):
    """The release was given up; the message says why and which colour is live."""

    kind, reason = Kind.PRECONDITION, "RELEASE_FAILED"

    def __init__(self, service: str, why: str, live: Color) -> None:
        message = f"{service}: {why}; {live} is live."
        super().__init__(message, service=service, why=why, live=live)


class Target(Protocol):
    """A service in a cluster: see `cli.release.cluster`."""

    service: str

    async def observe(self) -> Observed: ...
    async def align(self) -> None: ...
    async def switch(self, to: Color, switched: datetime | None) -> None: ...
    async def close(self) -> None: ...
    async def deploy(self, color: Color, image: str, replicas: int) -> None: ...
    async def scale_down(self, color: Color) -> None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator may choose; see docs/release.md."""

    deadline: timedelta = timedelta(minutes=10)
    watch: timedelta = timedelta(minutes=1)
    drain: timedelta = timedelta(minutes=3)


def release_goal(seen: Observed, image: str | None, terms: Terms) -> Goal:
    """To the idle colour, unless an interrupted release of the same image is to be ended."""
    live, idle = seen.colors[seen.live], seen.colors[seen.live.other]
    wanted = with_tag(idle.image, image) if image else idle.image
    unfinished = seen.switched is not None and (image is None or wanted == live.image)
    to = seen.live if unfinished else seen.live.other
    chosen = live.image if unfinished else wanted
    return Goal(to, chosen, terms.deadline, terms.watch, terms.drain)


def rollback_goal(seen: Observed, terms: Terms) -> Goal:
    """Back to the other colour, as it is, without waiting for proof."""
    to = seen.live.other
    return Goal(to, seen.colors[to].image, terms.deadline, timedelta(0), terms.drain)


def with_tag(image: str, wanted: str) -> str:
    """`wanted` itself when it is a whole reference, else a tag for the repository of `image`."""
    if {"/", ":", "@"} & set(wanted):
        return wanted
    folder, slash, name = image.partition("@")[0].rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}:{wanted}"


class Run:
    """One release of one service."""

    def __init__(
        self,
        target: Target,
        goal: Goal,
        reports: Callable[[Color], Awaitable[Reports]],
        say: Callable[[str], None],
        *,
        max_errors: float,
        checked: bool = False,
    ) -> None:
        """`reports` asks the pods of a colour; `checked` trusts the new colour unasked."""
        self._target, self._goal, self._reports, self._say = target, goal, reports, say
        self._max_errors = max_errors
        self._progress = Progress(_now(), checked=checked)
        self._first: Reports = {}
        self._bad_looks = 0
        self._said = ""

    async def __call__(self) -> None:
        """Returns when the new colour is live and alone.

        Raises:
            ReleaseFailed: It was given up, and the traffic is where it was.
            NotReleasable, ClusterRefused, ClusterUnavailable: As they say.
        """
        lost = 0
        while True:
            try:
                if await self._step():
                    return
                lost = 0
            except Overtaken:
                continue  # what has changed is seen at once
            except ClusterUnavailable:
                lost += 1
                if lost > _LOST_LOOKS:
                    raise
                await asyncio.sleep(_PAUSE)

    async def _step(self) -> bool:
        """One look and one action; whether it was the last."""
        seen = await self._target.observe()
        if seen.live is self._goal.to:  # as an interrupted run may have left it
            self._progress = replace(self._progress, switched=True)
        action = next_action(self._goal, seen, self._progress, _now())
        self._tell(action)
        match action:
            case Done():
                return True
            case Failed(why):
                raise ReleaseFailed(self._target.service, why, seen.live)
            case GiveUp(why):
                self._progress = replace(self._progress, failure=why)
            case Check(color):
                await self._check(color)
            case Wait():
                await asyncio.sleep(_PAUSE)
            case _:
                await self._change(action)
        return False

    async def _change(self, action: Action) -> None:
        match action:
            case Align():
                await self._target.align()
            case Deploy(color, image, replicas):
                await self._target.deploy(color, image, replicas)
            case Switch(to):
                await self._target.switch(to, _now())
                self._progress = replace(self._progress, switched=True)
                self._first = {}  # errors count anew, now that there is traffic
            case SwitchBack(to):
                await self._target.switch(to, None)
            case ScaleDown(color):
                await self._target.scale_down(color)
            case Close():
                await self._target.close()

    async def _check(self, color: Color) -> None:
        """A colour is fit at the first look that says so, unfit after some in a row that do not."""
        now = await self._reports(color)
        self._first = {**now, **self._first}
        complaint = judge(self._first, now, self._max_errors)
        self._bad_looks = self._bad_looks + 1 if complaint else 0
        failure = complaint if self._bad_looks >= _BAD_LOOKS else ""
        fit = self._progress.checked or not complaint
        self._progress = replace(self._progress, checked=fit, failure=failure)
        await asyncio.sleep(_PAUSE)

    def _tell(self, action: Action) -> None:
        """Says what is done, once for as long as it is the same."""
        said = describe(action)
        if said and said != self._said:
            self._say(f"{self._target.service}: {said}")
        self._said = said


def describe(action: Action) -> str:
    """The action as people are told of it; empty for what they need not know."""
    match action:
        case Deploy(color, image, replicas):
            return f"{color} gets {replicas} pods of {image}"
        case Check(color):
            return f"looking at health and errors of {color}"
        case Wait(reason) | GiveUp(reason):
            return reason
        case Switch(to):
            return f"traffic moves to {to}"
        case SwitchBack(to):
            return f"traffic moves back to {to}"
        case ScaleDown(color):
            return f"{color} ends"
        case Done():
            return "done"
        case _:
            return ""


def _now() -> datetime:
    return datetime.now(UTC)
