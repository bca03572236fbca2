"""How much each tenant calls: counted in memory, written down now and then. Knows no service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from libs.errors import AppError, Kind
from libs.service.background import background
from libs.spine import writing
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory

log = structlog.get_logger(__name__)

PERIOD = timedelta(minutes=5)
WRITTEN_AFTER = timedelta(seconds=30)  # at most, unless the store is away
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ADD = """
    INSERT INTO aeterna.traffic (tenant_id, period, calls, failures, seconds)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant_id, period) DO UPDATE SET calls = traffic.calls + excluded.calls,
        failures = traffic.failures + excluded.failures,
        seconds = traffic.seconds + excluded.seconds
"""
Key = tuple[TenantId, datetime]


@dataclass(slots=True)
class Count:
    """Calls of a tenant in a period."""

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0

    def add(self, other: "Count") -> None:
        """Counts the others as well."""
        self.calls += other.calls
        self.failures += other.failures
        self.seconds += other.seconds


def period_of(moment: datetime) -> datetime:
    """The beginning of the period that the moment is in."""
    return moment - (moment - _EPOCH) % PERIOD


class Traffic:
    """What was counted in this process and not written down yet."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._counts: dict[Key, Count] = {}

    def count(self, tenant: TenantId, seconds: float, *, failed: bool) -> None:
        """Counts a call that ended now."""
        self.put_back((tenant, period_of(self._now())), Count(1, int(failed), seconds))

    def take(self) -> dict[Key, Count]:
        """All there is, which is forgotten here."""
        taken, self._counts = self._counts, {}
        return taken

    def put_back(self, key: Key, count: Count) -> None:
        """Counts what could not be written down."""
        self._counts.setdefault(key, Count()).add(count)


@asynccontextmanager
async def open_traffic(
    directory: Directory, now: Callable[[], datetime], interval: timedelta = WRITTEN_AFTER
) -> AsyncIterator[Traffic]:
    """Counts while the block runs, and writes down the rest at its end."""
    traffic = Traffic(now)
    async with background(_write_again_and_again(traffic, directory, interval)):
        yield traffic
    await write_down(traffic, directory)


async def _write_again_and_again(
    traffic: Traffic, directory: Directory, interval: timedelta
) -> None:
    while True:
        await asyncio.sleep(interval.total_seconds())
        await write_down(traffic, directory)


async def write_down(traffic: Traffic, directory: Directory) -> None:
    """Writes what was counted; what cannot be written because a store is away stays."""
    for (tenant, period), count in traffic.take().items():
        try:
            route = await directory.route(tenant)
            async with writing(route, durable=False) as write:
                write.add(_ADD, period, count.calls, count.failures, count.seconds)
        except AppError as error:
            log.warning("traffic.not_written", tenant=tenant, error=error.reason)
            if error.kind is Kind.UNAVAILABLE:
                traffic.put_back((tenant, period), count)
