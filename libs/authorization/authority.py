"""The rules of tenants in use, kept in memory: who asks, gets what answers.

What is kept is trusted until a wake-up says that its tenant has changed, and read again now and
then, since a wake-up may be lost. Rules that cannot be read allow nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from libs.auth import Identity
from libs.auth.clock import utc_now
from libs.authorization.asking import Principal, principal_of
from libs.authorization.engine import Asker, Bounded, Engine
from libs.authorization.rules import TenantRules
from libs.authorization.store import load_rules
from libs.tenancy import Route, TenantId
from libs.wakeups import Wakeups, Watch

_KEPT = 2_000  # tenants whose rules are in memory
_ASKERS = 2_000  # principals whose decisions are
_SETTLED = 0.5  # seconds in which rules are not read again, however busy the tenant is
_TRUSTED = 30.0  # seconds after which they are, though no wake-up came

Load = Callable[[Route, TenantRules | None], Awaitable[TenantRules]]


@dataclass(slots=True)
class _Entry:
    """The rules of one tenant, when they were read, and what rings when they may change."""

    watch: Watch
    closing: ExitStack
    rules: TenantRules = field(default_factory=TenantRules)
    engine: Engine | None = None
    read_at: float = 0.0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Authority:
    """Answers for the callers of every tenant. `load` reads the rules of one, given what is
    known."""

    def __init__(
        self,
        wakeups: Wakeups,
        load: Load = load_rules,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._wakeups, self._load, self._now = wakeups, load, now
        self._entries: OrderedDict[TenantId, _Entry] = OrderedDict()
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
        entry = await self._current(route)
        rules = entry.rules
        if identity.tenant != route.tenant:  # people of that name are others
            rules = replace(rules, bindings={}, agents={}, suspended=frozenset())
        principal = principal_of(identity, rules, self._now())
        return self._asker(entry.engine or self._base, principal)

    def _asker(self, engine: Engine, principal: Principal) -> Asker:
        return self._askers.get((engine.number, principal), lambda: engine.of(principal))

    async def _current(self, route: Route) -> _Entry:
        entry = self._entries.get(route.tenant) or self._watched(route.tenant)
        self._entries.move_to_end(route.tenant)
        if not self._fresh(entry):
            async with entry.reading:
                if not self._fresh(entry):
                    await self._read(entry, route)
        return entry

    def _fresh(self, entry: _Entry) -> bool:
        age = monotonic() - entry.read_at
        if not entry.read_at or age >= _TRUSTED:
            return False
        if age < _SETTLED:
            return True
        lapsed = entry.rules.lapses_at and entry.rules.lapses_at <= self._now()
        return not lapsed and self._wakeups.connected and not entry.watch.rung

    async def _read(self, entry: _Entry, route: Route) -> None:
        entry.watch.clear()
        read_at = monotonic()
        rules = await self._load(route, entry.rules if entry.engine else None)
        if entry.engine is None or rules.policies != entry.rules.policies:
            entry.engine = await self._engine(rules.policies, entry.engine)
        entry.rules, entry.read_at = rules, read_at

    async def _engine(self, policies: Mapping[str, str], before: Engine | None) -> Engine:
        """Reading a thousand policies takes a fifth of a second: others are served meanwhile."""
        if not policies:
            return self._base
        return await asyncio.to_thread(Engine, policies, before)

    def _watched(self, tenant: TenantId) -> _Entry:
        """A new entry, which hears of changes from now on."""
        closing = ExitStack()
        watch = closing.enter_context(self._wakeups.watch(tenant))
        entry = self._entries[tenant] = _Entry(watch, closing)
        if len(self._entries) > _KEPT:
            self._entries.popitem(last=False)[1].closing.close()
        return entry
