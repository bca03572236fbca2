"""The consents of tenants in memory, beside a service that has to heed them."""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

import asyncpg

from libs.consent import ConsentPolicy, Consents, Grant, Retrievable
from libs.spine import read
from libs.tenancy import Route
from libs.wakeups import Wakeups
from libs.wakeups.kept import Kept

POLICY = """
    SELECT purposes, required_to_store, required_to_retrieve, knowledge_authors, version, number,
        updated_at
    FROM aeterna.consent_policy WHERE tenant_id = $1
"""
_GRANTED = """
    SELECT subject, purpose, expires_at FROM aeterna.consent WHERE tenant_id = $1 AND granted
"""


class KnownConsents:
    """Consents by tenant; one per process."""

    def __init__(self, wakeups: Wakeups, now: Callable[[], datetime]) -> None:
        self._now, self._kept = now, Kept[Consents](wakeups, Consents)

    async def get(self, route: Route) -> Consents:
        """As they are now, or were at most a second ago; raises StoreUnavailable."""
        return await self._kept.get(route.tenant, partial(_read, route))

    async def require_to_store(self, route: Route, subjects: Collection[str]) -> None:
        """Raises ConsentMissing unless all of these people allow what storing needs."""
        (await self.get(route)).require_to_store(subjects, self._now())

    async def retrievable(self, route: Route) -> Retrievable | None:
        """Whose things searches may show now; None: everybody's."""
        return (await self.get(route)).retrievable(self._now())


async def _read(route: Route, known: Consents) -> Consents:
    """Those who have consented are asked for only when something has changed."""
    policy = policy_of(await read(route, POLICY))
    if policy.number == known.policy.number:
        return known
    rows = await read(route, _GRANTED)
    granted = {Grant(row["subject"], row["purpose"]): row["expires_at"] for row in rows}
    return Consents(policy, granted)


def policy_of(rows: list[asyncpg.Record]) -> ConsentPolicy:
    """The policy in the answer to POLICY."""
    return ConsentPolicy(**rows[0]) if rows else ConsentPolicy()
