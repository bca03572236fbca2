"""Does the operations of every tenant on every shard, a few at a time, in every replica.

A replica that dies loses its lease, and another goes on where the last step ended. A failure that
may pass is tried again, each time after a longer pause; any other ends the operation. While tenants
wait, those that are worked for have turns.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog
from google.protobuf.json_format import MessageToDict

from libs.errors import AppError, Kind
from libs.metrics import OPERATION_FAILURES, OPERATIONS
from libs.operations import Handler, LeaseLost, OperationCancelled, State
from libs.operations.store import Claim, Operations
from libs.service.errors import InternalError, expected, to_status
from libs.service.rounds import answering, tenants_of
from libs.tenancy import Route, TenantId, TenantMoved, TenantSuspended
from libs.tenancy.directory import Directory

log = structlog.get_logger(__name__)

_AT_ONCE = 2  # tenants that one replica works for
_TURN = 10.0  # seconds after which another tenant has its turn, if one waits
_MAY_PASS = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.TIMEOUT)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds
_MOST_FAILURES = 30  # in a row, about half an hour: then it is given up
_REST = 10.0  # seconds in which a tenant is left alone that could not be served
_TENANTS = "SELECT * FROM aeterna.tenants_with_operations($1)"


class OperationWorker:
    """Runs until cancelled; then others go on with what it had."""

    def __init__(
        self,
        operations: Operations,
        directory: Directory,
        handlers: Sequence[Handler],
        interval: timedelta = timedelta(milliseconds=300),
    ) -> None:
        self._operations, self._directory, self._interval = operations, directory, interval
        self._handlers: Mapping[str, Handler] = {each.kind: each for each in handlers}
        self._busy: set[TenantId] = set()
        self._crowded = False  # whether somebody waits for a place
        self._resting: dict[TenantId, float] = {}  # until when, on the loop's clock

    async def run(self) -> None:
        """Looks for work again and again."""
        async with asyncio.TaskGroup() as group:
            while True:
                due, free = await self._due(), _AT_ONCE - len(self._busy)
                self._crowded = len(due) > free
                for tenant in due[:free]:
                    self._busy.add(tenant)
                    group.create_task(self._serve(tenant))
                await asyncio.sleep(self._interval.total_seconds())

    async def _due(self) -> list[TenantId]:
        """Tenants with work that nobody here is at, in any order: each has its turn."""
        whom = answering(_TENANTS, list(self._handlers))
        found = await tenants_of(self._directory, whom, "operations")
        now = asyncio.get_running_loop().time()
        self._resting = {tenant: end for tenant, end in self._resting.items() if end > now}
        waiting = list(found - self._busy - self._resting.keys())
        random.shuffle(waiting)
        return waiting

    async def _serve(self, tenant: TenantId) -> None:
        """Does what is due for a tenant; what cannot be written down, or belongs to one that is
        suspended, is done later."""
        try:
            route = await self._directory.route(tenant)
            turn = _Turn(lambda: self._crowded)
            while not turn.over and (claim := await self._claim(route)):
                await self._carry_out(claim, turn)
        except Exception as exc:
            error = expected(exc)
            if isinstance(error, TenantMoved):
                self._directory.forget(tenant)
            self._resting[tenant] = asyncio.get_running_loop().time() + _REST
            log.warning("operations.left", tenant=tenant, error=error.reason)
        finally:
            self._busy.discard(tenant)

    async def _claim(self, route: Route) -> Claim | None:
        return await self._operations.claim(route, list(self._handlers))

    async def _carry_out(self, claim: Claim, turn: "_Turn") -> None:
        """Until it has ended, or the tenant's turn has: then it is the next one's who looks."""
        kind = claim.operation.kind
        work = _Work(self._operations, claim, self._handlers[kind])
        try:
            ended = await work.run(turn)
        except asyncio.CancelledError:
            await self._operations.put_back(claim, timedelta(0), failed=False)
            raise
        except Exception as exc:
            await self._failed(work, expected(exc))
        else:
            if ended:
                OPERATIONS.labels(kind, State.SUCCEEDED).inc()
            else:
                await self._operations.put_back(claim, timedelta(0), failed=False)

    async def _failed(self, work: "_Work", error: AppError) -> None:
        claim, kind = work.claim, work.claim.operation.kind
        if isinstance(error, LeaseLost):
            return
        if isinstance(error, TenantSuspended):
            raise error  # it waits as it is, and goes on when the tenant does
        if _may_pass(error) and work.failures < _MOST_FAILURES:
            OPERATION_FAILURES.labels(kind).inc()
            log.warning("operation.failed", kind=kind, error=error.reason)
            await self._operations.put_back(claim, _pause(work.failures), failed=True)
            return
        cancelled = isinstance(error, OperationCancelled)
        state = State.CANCELLED if cancelled else State.FAILED
        await self._operations.end(claim, state, work.progress, MessageToDict(to_status(error)))
        OPERATIONS.labels(kind, state).inc()


class _Turn:
    """The time that a tenant is worked for, if others wait."""

    def __init__(self, crowded: Callable[[], bool]) -> None:
        self._crowded, self._end = crowded, time.monotonic() + _TURN

    @property
    def over(self) -> bool:
        """Whether it is another one's turn."""
        return self._crowded() and time.monotonic() > self._end


class _Work:
    """One operation under way: its steps, and signs of life beside them."""

    def __init__(self, operations: Operations, claim: Claim, handler: Handler) -> None:
        self.claim = claim
        self.progress = claim.operation.progress
        self.failures = claim.operation.failures
        self._operations, self._handler = operations, handler

    async def run(self, turn: _Turn) -> bool:
        """Whether it has ended; a step is done at least."""
        if self.claim.operation.cancel_requested:
            raise OperationCancelled
        async with asyncio.TaskGroup() as group:
            signs = group.create_task(self._give_signs())
            await self._steps(turn)
            signs.cancel()
        if self.progress.finished:
            await self._operations.end(self.claim, State.SUCCEEDED, self.progress)
        return self.progress.finished

    async def _steps(self, turn: _Turn) -> None:
        operation = self.claim.operation
        while not self.progress.finished:
            self.progress = await self._handler.step(
                self.claim.route, operation.parameters, self.progress
            )
            await self._operations.advance(self.claim, self.progress)
            self.failures = 0
            if turn.over:
                return

    async def _give_signs(self) -> None:
        """Also how a step that takes long, or waits, hears that it is to stop."""
        while True:
            await asyncio.sleep(self._operations.lease.total_seconds() / 3)
            await self._operations.renew(self.claim)


def _may_pass(error: AppError) -> bool:
    return error.kind in _MAY_PASS and not isinstance(error, InternalError)


def _pause(failures: int) -> timedelta:
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10))
    return timedelta(seconds=random.uniform(longest / 2, longest))
