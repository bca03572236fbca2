"""Measures once an hour what a service stores for each tenant: vector-hours and byte-hours.

An hour in which no replica served is not counted: nobody knows what there was.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from libs.service.rounds import TenantRounds, answering
from libs.spine import writing
from libs.tenancy import Route
from libs.tenancy.directory import Directory
from libs.usage import Kind
from libs.usage.recorder import UsageRecorder, add_to

_INTERVAL = timedelta(minutes=1)
_WHOM = "SELECT * FROM aeterna.tenants_to_sample($1)"
_ONCE = """
    INSERT INTO aeterna.usage_sample AS s (tenant_id, service, hour)
    VALUES ($1, $2, date_trunc('hour', now(), 'UTC'))
    ON CONFLICT (tenant_id, service) DO UPDATE SET hour = excluded.hour
        WHERE s.hour < excluded.hour
    RETURNING true
"""

Measure = Callable[[Route], Awaitable[Mapping[Kind, int]]]


@dataclass(frozen=True)
class StorageSampler:
    """Of one service; `measure` counts what it stores for a tenant now."""

    service: str
    measure: Measure
    recorder: UsageRecorder

    async def __call__(self, route: Route) -> None:
        """Counts this hour, unless it was counted."""
        found = await self.measure(route)
        uses = [
            self.recorder.use(self.service, kind, "", Decimal(quantity))
            for kind, quantity in found.items()
            if quantity
        ]
        async with writing(route, durable=False) as write:
            if await write.conn.fetchval(_ONCE, route.tenant, self.service):
                await add_to(write, uses)

    def rounds(self, directory: Directory) -> TenantRounds:
        """Every minute, for those whose hour was not counted."""
        whom = answering(_WHOM, self.service)
        return TenantRounds("usage.sample", directory, whom, self, _INTERVAL)
