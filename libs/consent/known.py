"""The consents of tenants in memory, beside a service that has to heed them.

What is kept is trusted until a wake-up says that its tenant has changed, and asked for again now
and then, since a wake-up may be lost.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import asyncpg

from libs.consent import ConsentPolicy, Consents, Grant, Retrievable
from libs.spine import read
from libs.tenancy import Route, TenantId
from libs.wakeups import Wakeups, Watch

_KEPT = 10_000  # tenants
_SETTLED = 1.0  # seconds in which they are not asked for again, however busy the tenant is
_TRUSTED = 30.0  # seconds after which they are, though no wake-up came
POLICY = """
    SELECT purposes, required_to_store, required_to_retrieve, knowledge_authors, version, number,
        updated_at
    FROM aeterna.consent_policy WHERE tenant_id = $1
"""
_GRANTED = """
    SELECT subject, purpose, expires_at FROM aeterna.consent WHERE tenant_id = $1 AND granted
"""


@dataclass(slots=True)
class _Entry:
    """The consents of one tenant, when they were read, and what rings when they may change."""

    consents: Consents
    read_at: float
    watch: Watch
    closing: ExitStack


class KnownConsents:
    """Consents by tenant; one per process."""

    def __init__(self, wakeups: Wakeups, now: Callable[[], datetime]) -> None:
        self._wakeups, self._now = wakeups, now
        self._entries: OrderedDict[TenantId, _Entry] = OrderedDict()

    async def get(self, route: Route) -> Consents:
        """As they are now, or were at most a second ago; raises StoreUnavailable."""
        entry = self._entries.get(route.tenant)
        if entry and await self._fresh(entry):
            self._entries.move_to_end(route.tenant)
            return entry.consents
        entry = entry or self._watched(route.tenant)
        read_at = monotonic()
        policy = policy_of(await read(route, POLICY))
        if policy.number != entry.consents.policy.number:
            rows = await read(route, _GRANTED)
            granted = {Grant(row["subject"], row["purpose"]): row["expires_at"] for row in rows}
            entry.consents = Consents(policy, granted)
        entry.read_at = read_at
        return entry.consents

    async def require_to_store(self, route: Route, subjects: Collection[str]) -> None:
        """Raises ConsentMissing unless all of these people allow what storing needs."""
        (await self.get(route)).require_to_store(subjects, self._now())

    async def retrievable(self, route: Route) -> Retrievable | None:
        """Whose things searches may show now; None: everybody's."""
        return (await self.get(route)).retrievable(self._now())

    async def _fresh(self, entry: _Entry) -> bool:
        age = monotonic() - entry.read_at
        if age < _SETTLED:
            return True
        return age < _TRUSTED and self._wakeups.connected and not await entry.watch.wait(0)

    def _watched(self, tenant: TenantId) -> _Entry:
        """A new entry, which hears of changes from now on."""
        closing = ExitStack()
        watch = closing.enter_context(self._wakeups.watch(tenant))
        entry = self._entries[tenant] = _Entry(Consents(), 0, watch, closing)
        if len(self._entries) > _KEPT:
            self._entries.popitem(last=False)[1].closing.close()
        return entry


def policy_of(rows: list[asyncpg.Record]) -> ConsentPolicy:
    """The policy in the answer to POLICY."""
    return ConsentPolicy(**rows[0]) if rows else ConsentPolicy()
