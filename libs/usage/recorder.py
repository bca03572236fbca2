"""Writes usage down in the tenants' shards, in batches: what a process used is added up by what it
was for and written every half second.

What is not money must not cost money: the write does not wait for the disk. A process that is
killed loses what it had gathered, half a second's; one that stops writes it down first. Paid calls
under a budget do not pass here: they are settled with their reservation (`libs.usage.budgets`).
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import structlog

from libs.changes import Origin
from libs.errors import AppError
from libs.metrics import USAGE_DROPPED, USAGE_WRITTEN
from libs.spine import Write, writing
from libs.tenancy import Route, TenantId, TenantMoved, TenantNotFound, TenantSuspended
from libs.tenancy.directory import Directory
from libs.usage import NOBODY, Attribution, Kind, Use
from libs.usage.prices import PriceTable

log = structlog.get_logger(__name__)

ORIGIN = Origin("service:usage")
_PERIOD = 0.5  # seconds between two writes
_LAST_TRIES = 3  # to write what is left at the end
_MOST = 50_000  # lines that wait for a store that is away; what comes then is dropped, and counted
_AT_ONCE = 8  # tenants written at the same time
_Line = tuple[TenantId, datetime, tuple[object, ...]]  # whose, in which hour, what
_RECORD = "SELECT aeterna.record_usage($1::jsonb, $2, $3)"


@dataclass(frozen=True)
class UsageRecorder:
    """Takes uses and returns at once; `run` writes them. Made by `open_usage`."""

    prices: PriceTable
    directory: Directory
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lines: dict[_Line, Use] = field(default_factory=dict)
    _requests: Counter[tuple[TenantId, str]] = field(default_factory=Counter)

    def add(self, tenant: TenantId, uses: Iterable[Use]) -> None:
        """Notes them; never fails."""
        for use in uses:
            key: _Line = (tenant, use.at.replace(minute=0, second=0, microsecond=0), _what(use))
            line = self._lines.get(key)
            if line is None and len(self._lines) >= _MOST:
                USAGE_DROPPED.inc()
            else:
                self._lines[key] = _sum(line, use) if line else use

    def request(self, tenant: TenantId, service: str) -> None:
        """Notes a call of one of our services."""
        self._requests[tenant, service] += 1

    def use(
        self,
        service: str,
        kind: Kind,
        model: str,
        quantity: Decimal,
        attribution: Attribution = NOBODY,
        *,
        estimated: bool = False,
    ) -> Use:
        """A use of now, priced."""
        now = self.now()
        amount, currency, version = self.prices.charge(kind, model, quantity, now)
        return Use(
            now, service, kind, model, attribution, quantity, amount, currency, version, estimated
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Writes until told to stop; a write under way is not cut off, so that none is doubled."""
        while not stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD):
                    await stopping.wait()
            await self.flush()

    async def flush(self) -> None:
        """Writes what was noted; what cannot be written now waits."""
        requests = list(self._requests.items())
        self._requests.clear()
        for (tenant, service), count in requests:
            self.add(tenant, [self.use(service, Kind.REQUESTS, "", Decimal(count))])
        taken: dict[TenantId, list[Use]] = {}
        for (tenant, *_), use in self._lines.items():
            taken.setdefault(tenant, []).append(use)
        self._lines.clear()
        places = asyncio.Semaphore(_AT_ONCE)

        async def write(tenant: TenantId, uses: list[Use]) -> None:
            async with places:
                await self._write(tenant, uses)

        await asyncio.gather(*(write(*each) for each in taken.items()))

    async def finish(self) -> None:
        """Writes what is left, patiently."""
        for attempt in range(_LAST_TRIES):
            await self.flush()
            if not self._lines:
                return
            await asyncio.sleep(_PERIOD * (attempt + 1))
        log.error("usage.lost", lines=len(self._lines))

    async def _write(self, tenant: TenantId, uses: list[Use]) -> None:
        try:
            await record(await self.directory.route(tenant), uses)
        except (TenantNotFound, TenantSuspended):
            USAGE_DROPPED.inc(len(uses))  # there is nowhere to write it
        except TenantMoved:
            self.directory.forget(tenant)
            self.add(tenant, uses)
        except AppError as error:
            log.warning("usage.not_written", error=error.reason)
            self.add(tenant, uses)
        except Exception as error:
            log.error("usage.not_written", exc_info=error)
            USAGE_DROPPED.inc(len(uses))
        else:
            USAGE_WRITTEN.inc(len(uses))


async def record(route: Route, uses: Sequence[Use]) -> None:
    """Writes uses down that need not be durable at once."""
    async with writing(route, durable=False) as write:
        await add_to(write, uses)


async def add_to(write: Write, uses: Sequence[Use]) -> None:
    """Writes uses down as part of a write."""
    events = json.dumps([use.fields() for use in uses])
    await write.conn.execute(_RECORD, events, ORIGIN.actor, ORIGIN.trace_id)


def _what(use: Use) -> tuple[object, ...]:
    """All but how much, and when within the hour."""
    return (
        use.service,
        use.kind,
        use.model,
        use.attribution,
        use.currency,
        use.prices,
        use.estimated,
        use.amount is None,
    )


def _sum(one: Use, other: Use) -> Use:
    """Two uses of the same, as one."""
    amount = None
    if one.amount is not None and other.amount is not None:
        amount = one.amount + other.amount
    return replace(one, quantity=one.quantity + other.quantity, amount=amount)


@asynccontextmanager
async def open_usage(prices: PriceTable, directory: Directory) -> AsyncIterator[UsageRecorder]:
    """A recorder that writes while the block runs, and at its end what is left."""
    recorder, stopping = UsageRecorder(prices, directory), asyncio.Event()
    task = asyncio.create_task(recorder.run(stopping))
    try:
        yield recorder
    finally:
        stopping.set()
        await task
        await recorder.finish()
