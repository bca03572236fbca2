"""What was denied, in the audit trail of the tenant: who wanted to do what, and which policies said
no.

The first denial of its kind is written at once; equal ones within a window after it are counted and
written as one. Whoever denies neither waits nor fails. What comes faster than it can be told apart
is counted, too.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from libs.changes import Change, Operation, Origin
from libs.errors import AppError
from libs.metrics import DENIALS
from libs.spine import SubjectErased, writing
from libs.tenancy import TenantId, TenantMoved, TenantNotFound
from libs.tenancy.directory import Directory
from libs.wakeups import Wakeups

log = structlog.get_logger(__name__)

EVENT = "access.denied"
WINDOW = 60.0  # seconds in which equal denials are one entry
_MOST = 10_000  # kinds of denials that are told apart
_OTHERS = "others"  # whoever comes when there are so many
_RETRY = 5.0  # seconds until a write that failed is tried again
_LAST = 5.0  # seconds that the last writes may take
_TOGETHER = 500  # entries of one write


@dataclass(frozen=True, slots=True)
class Denial:
    """What equal denials share."""

    tenant: TenantId
    actor: str
    action: str
    policies: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class _Kind:
    """How often a denial was heard since it was last written, and from when it may be again."""

    trace_id: str
    count: int = 0
    due: float = 0.0


class Denials:
    """Takes notes; `run` writes them. Open it with `open_denials`."""

    def __init__(
        self,
        wakeups: Wakeups,
        directory: Directory,
        *,
        window: float = WINDOW,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._wakeups, self._directory = wakeups, directory
        self._window, self._clock = window, clock
        self._kinds: dict[Denial, _Kind] = {}
        self._news = asyncio.Event()

    def note(self, denial: Denial, trace_id: str) -> None:
        """Notes a denial, for the trail of its tenant if there is one."""
        DENIALS.labels(denial.action).inc()
        if denial not in self._kinds and len(self._kinds) >= _MOST:
            denial = replace(denial, actor=_OTHERS, action="", policies=(), reason="")
        kind = self._kinds.setdefault(denial, _Kind(trace_id))
        kind.count += 1
        if kind.due <= self._clock():
            self._news.set()

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._news.wait()
            self._news.clear()
            await self.write_due()

    async def write_due(self) -> None:
        """Writes what is new, and what was counted for a window."""
        now = self._clock()
        await self._write([each for each, kind in self._kinds.items() if kind.due <= now])

    async def write_all(self) -> None:
        """Writes what there is, due or not, as far as there is time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST):
                await self._write(list(self._kinds))

    async def _write(self, denials: Sequence[Denial]) -> None:
        """Writes these, all of a tenant in one transaction; what fails is tried again later."""
        tenants: dict[TenantId, list[Denial]] = defaultdict(list)
        for each in denials:
            if self._kinds[each].count:
                tenants[each.tenant].append(each)
            else:
                del self._kinds[each]  # nobody has heard of it for a whole window
        for tenant, several in tenants.items():
            for first in range(0, len(several), _TOGETHER):
                await self._record(tenant, several[first : first + _TOGETHER])

    async def _record(self, tenant: TenantId, denials: Sequence[Denial]) -> None:
        kinds = [self._kinds[each] for each in denials]
        counts = [kind.count for kind in kinds]
        try:
            written = await self._append(tenant, list(map(_change, denials, kinds)))
        except SubjectErased:  # nothing is written in that person's name; the others' are
            if len(denials) > 1:
                for each in denials:
                    await self._record(tenant, [each])
                return
            written = True
        for kind, count in zip(kinds, counts, strict=True):
            kind.count -= count if written else 0
            kind.due = self._clock() + (self._window if written else _RETRY)

    async def _append(self, tenant: TenantId, changes: Sequence[Change]) -> bool:
        """Whether there is nothing more to do about these; raises SubjectErased."""
        try:
            async with writing(await self._directory.route(tenant)) as write:
                await write.append(changes)
        except TenantNotFound:  # platform administrators need none
            log.warning("access.denied", tenant=tenant, entries=len(changes))
            return True
        except SubjectErased:
            raise
        except AppError as exc:
            log.warning("denials.not_written", tenant=tenant, error=exc.reason)
            if isinstance(exc, TenantMoved):
                self._directory.forget(tenant)
            return False
        self._wakeups.publish(tenant)
        return True

    def _pause(self) -> float:
        """Seconds until the next are due."""
        dues = [kind.due for kind in self._kinds.values()]
        return max(0.0, min(dues, default=self._clock() + self._window) - self._clock())


def _change(denial: Denial, kind: _Kind) -> Change:
    details = {
        "action": denial.action,
        "policies": ",".join(denial.policies),
        "reason": denial.reason,
        "count": str(kind.count),
    }
    return Change(
        resource=f"actions/{denial.action}",
        operation=Operation.RECORDED,
        origin=Origin(denial.actor, kind.trace_id),
        event=EVENT,
        details=details,
    )


@asynccontextmanager
async def open_denials(wakeups: Wakeups, directory: Directory) -> AsyncIterator[Denials]:
    """Writes denials while the block runs, and what is left at its end."""
    denials = Denials(wakeups, directory)
    writer = asyncio.create_task(denials.run())
    try:
        yield denials
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        await denials.write_all()
