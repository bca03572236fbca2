"""Group commit: writes of one tenant that arrive together share one transaction.

The tenant's lock then costs one fsync for many requests. There is no artificial delay: while one
group is being written the next one gathers. Knows nothing of what is written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from libs.errors import AppError
from libs.spine import SubjectErased
from libs.tenancy import Route, TenantId

log = structlog.get_logger(__name__)

Command = TypeVar("Command")
Result = TypeVar("Result")
T = TypeVar("T")

# Writes the commands in one transaction; one outcome per command, in order. An AppError among the
# outcomes refuses that command alone; raising refuses them all.
Run = Callable[[Route, Sequence[Command]], Awaitable[Sequence[Result | AppError]]]
# Called after the commit with what was written; the answers wait for it, the next group does not.
Settle = Callable[[Route, Sequence[Result]], Awaitable[None]]


@dataclass(slots=True)
class _Lane(Generic[Command, Result]):
    """The commands of one tenant that wait for their turn."""

    waiting: deque[tuple[Route, Command, asyncio.Future[Result]]] = field(default_factory=deque)
    busy: bool = False


class GroupCommit(Generic[Command, Result]):
    """Queues commands by tenant and writes each queue in groups.

    Args:
        weigh: How much of a group a command takes, 1 unless told.
        limit: What a group weighs at most; a heavier command has a group to itself.
    """

    def __init__(
        self,
        run: Run[Command, Result],
        settle: Settle[Result] | None = None,
        *,
        weigh: Callable[[Command], int] = lambda _: 1,
        limit: int = 64,
    ) -> None:
        self._run, self._settle = run, settle
        self._weigh, self._limit = weigh, limit
        self._lanes: dict[TenantId, _Lane[Command, Result]] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    async def submit(self, route: Route, command: Command) -> Result:
        """The outcome of `command` once it is committed and settled.

        A caller that is cancelled may find its command written all the same. A group whose callers
        have all left is given up.

        Raises:
            AppError: The command was refused; nothing of it was written.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(route.tenant, _Lane())
        lane.waiting.append((route, command, future))
        if not lane.busy:
            lane.busy = True
            self._spawn(self._drive(route.tenant, lane))
        return await future

    async def close(self) -> None:
        """Waits until everything submitted is written and settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Awaitable[T]) -> asyncio.Future[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _drive(self, tenant: TenantId, lane: _Lane[Command, Result]) -> None:
        while group := self._next_group(lane):
            await self._write(group)
        del self._lanes[tenant]

    def _next_group(
        self, lane: _Lane[Command, Result]
    ) -> list[tuple[Route, Command, asyncio.Future[Result]]]:
        """The oldest commands that still have a caller and share one route."""
        group: list[tuple[Route, Command, asyncio.Future[Result]]] = []
        weight = 0
        while lane.waiting:
            route, command, future = lane.waiting[0]
            weight += 0 if future.done() else self._weigh(command)
            if group and (weight > self._limit or route is not group[0][0]):
                break
            entry = lane.waiting.popleft()
            if not future.done():
                group.append(entry)
        return group

    async def _write(self, group: list[tuple[Route, Command, asyncio.Future[Result]]]) -> None:
        route, futures = group[0][0], [future for _, _, future in group]
        run = self._spawn(self._outcomes(route, [command for _, command, _ in group]))
        waiting = _cancel_when_all_are_done(run, futures)
        try:
            outcomes = await run
        except asyncio.CancelledError:
            if waiting:
                raise
            return
        except Exception as exc:
            for future in futures:
                _fail(future, exc)
            return
        self._spawn(self._answer(route, futures, outcomes))

    async def _outcomes(
        self, route: Route, commands: Sequence[Command]
    ) -> Sequence[Result | AppError]:
        """One that names an erased person does not take the others with it."""
        try:
            return await self._run(route, commands)
        except SubjectErased as error:
            if len(commands) == 1:
                return [error]
            return [(await self._outcomes(route, [each]))[0] for each in commands]

    async def _answer(
        self,
        route: Route,
        futures: list[asyncio.Future[Result]],
        outcomes: Sequence[Result | AppError],
    ) -> None:
        written = [each for each in outcomes if not isinstance(each, AppError)]
        if self._settle:
            try:
                await self._settle(route, written)
            except Exception as exc:  # whatever it was: the commands are committed all the same
                log.error("group.not_settled", exc_info=exc)
        for future, outcome in zip(futures, outcomes, strict=True):
            if isinstance(outcome, AppError):
                _fail(future, outcome)
            elif not future.done():
                future.set_result(outcome)


def _cancel_when_all_are_done(
    run: asyncio.Future[Any], futures: Sequence[asyncio.Future[Any]]
) -> set[asyncio.Future[Any]]:
    """Those that are not. A server that fell silent must not hold up who comes later."""
    waiting = set(futures)

    def leave(future: asyncio.Future[Any]) -> None:
        waiting.discard(future)
        if not waiting:
            run.cancel()

    for future in futures:
        future.add_done_callback(leave)
    return waiting


def _fail(future: asyncio.Future[Result], exc: Exception) -> None:
    if not future.done():
        future.set_exception(exc)
