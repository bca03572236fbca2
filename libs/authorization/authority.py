"""The rules of tenants in use, kept in memory: who asks, gets what answers.

Rules that cannot be read allow nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from libs.auth import Identity
from libs.auth.clock import utc_now
from libs.authorization.asking import Principal, principal_of
from libs.authorization.engine import Asker, Bounded, Engine
from libs.authorization.rules import TenantRules
from libs.authorization.store import load_rules
from libs.tenancy import Route
from libs.wakeups import Wakeups
from libs.wakeups.kept import Kept

_KEPT = 2_000  # tenants whose rules are in memory
_ASKERS = 2_000  # principals whose decisions are
_SETTLED = 0.5  # seconds in which rules are not read again, however busy the tenant is

Load = Callable[[Route, TenantRules | None], Awaitable[TenantRules]]


@dataclass(frozen=True, slots=True)
class _Known:
    """The rules of one tenant, and what decides by them; None: they were not read yet."""

    rules: TenantRules = field(default_factory=TenantRules)
    engine: Engine | None = None


class Authority:
    """Answers for the callers of every tenant. `load` reads the rules of one, given what is
    known."""

    def __init__(
        self,
        wakeups: Wakeups,
        load: Load = load_rules,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._load, self._now = load, now
        self._kept = Kept[_Known](
            wakeups, _Known, most=_KEPT, settled=_SETTLED, lapsed=self._lapsed
        )
        self._base = Engine()
        self._askers = Bounded[tuple[int, Principal], Asker](_ASKERS)

    async def asker(self, route: Route | None, identity: Identity) -> Asker:
        """What answers for a caller in the tenant of the route; without one, by the suite's own
        policies alone.

        Raises:
            StoreUnavailable: The rules are not known, and the shard cannot be reached.
            PoliciesUnusable: They cannot be read.
        """
        if route is None:
            return self._asker(self._base, principal_of(identity, TenantRules(), self._now()))
        known = await self._kept.get(route.tenant, partial(self._read, route))
        rules = known.rules
        if identity.tenant != route.tenant:  # people of that name are others
            rules = replace(rules, bindings={}, agents={}, suspended=frozenset())
        principal = principal_of(identity, rules, self._now())
        return self._asker(known.engine or self._base, principal)

    async def rules(self, route: Route) -> TenantRules:
        """The rules that hold now in the tenant of the route: the same object as long as nothing in
        them has changed, and with it every answer.

        Raises:
            StoreUnavailable, PoliciesUnusable: As `asker`.
        """
        return (await self._kept.get(route.tenant, partial(self._read, route))).rules

    def _asker(self, engine: Engine, principal: Principal) -> Asker:
        return self._askers.get((engine.number, principal), lambda: engine.of(principal))

    def _lapsed(self, known: _Known) -> bool:
        ends = known.rules.lapses_at
        return bool(ends and ends <= self._now())

    async def _read(self, route: Route, known: _Known) -> _Known:
        rules = await self._load(route, known.rules if known.engine else None)
        if known.engine and rules.policies == known.rules.policies:
            return _Known(rules, known.engine)
        return _Known(rules, await self._engine(rules.policies, known.engine))

    async def _engine(self, policies: Mapping[str, str], before: Engine | None) -> Engine:
        """Reading a thousand policies takes a fifth of a second: others are served meanwhile."""
        if not policies:
            return self._base
        return await asyncio.to_thread(Engine, policies, before)
