"""Rules in memory: read when they may have changed, and not trusted when they cannot be read."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.auth import Identity, Role
from libs.authorization.authority import Authority
from libs.authorization.rules import AgentGrant, AgentState, Binding, TenantRules
from libs.authorization.things import MEMORY, Thing
from libs.postgres import StoreUnavailable
from libs.tenancy import Route, ShardId, TenantId
from libs.wakeups import Wakeups, kept

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHARD: Any = None
_ROUTE = Route(TenantId("acme"), ShardId("one"), 1, _SHARD)
_MEMORY = Thing(MEMORY, "acme", layer="company")
_CLOSED = {"closed": "forbid(principal, action, resource);"}
_ANN = Identity(
    TenantId("acme"), "ann", frozenset({Role.DEVELOPER}), "", (), "issuer", _NOW + timedelta(days=1)
)


@dataclass
class Store:
    """Rules that a test changes, and how often they were read."""

    rules: TenantRules = field(default_factory=TenantRules)
    reads: int = 0
    broken: bool = False

    async def load(self, *_: Any) -> TenantRules:
        self.reads += 1
        if self.broken:
            raise StoreUnavailable
        await asyncio.sleep(0)
        return self.rules


@dataclass
class Clock:
    """A monotonic clock that a test sets."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(kept, "monotonic", clock)
    return clock


async def _may(authority: Authority, identity: Identity = _ANN) -> bool:
    return (await authority.asker(_ROUTE, identity)).decide("GetMemory", _MEMORY).allowed


async def test_a_wake_up_makes_a_change_hold_within_a_second(clock: Clock) -> None:
    store, wakeups = Store(), Wakeups()
    authority = Authority(wakeups, store.load, lambda: _NOW)
    assert await _may(authority)

    store.rules = TenantRules(1, _CLOSED)
    wakeups.publish(_ROUTE.tenant)
    clock.seconds += 0.9

    assert not await _may(authority)
    assert store.reads == 2


async def test_without_a_wake_up_rules_are_read_now_and_then(clock: Clock) -> None:
    store = Store()
    authority = Authority(Wakeups(), store.load, lambda: _NOW)
    for _ in range(100):
        await _may(authority)
        clock.seconds += 0.25

    assert store.reads == 1
    store.rules = TenantRules(1, _CLOSED)
    clock.seconds += 10
    assert not await _may(authority)


async def test_those_who_come_at_once_read_once(clock: Clock) -> None:
    store = Store()
    authority = Authority(Wakeups(), store.load, lambda: _NOW)

    assert all(await asyncio.gather(*(_may(authority) for _ in range(20))))
    assert store.reads == 1


async def test_what_cannot_be_read_allows_nothing(clock: Clock) -> None:
    store, wakeups = Store(), Wakeups()
    authority = Authority(wakeups, store.load, lambda: _NOW)
    assert await _may(authority)

    store.broken = True
    assert await _may(authority)  # as it was told a moment ago
    for seconds in (31.0, 0.0):
        clock.seconds += seconds
        with pytest.raises(StoreUnavailable):
            await _may(authority)


async def test_a_change_that_could_not_be_read_is_not_forgotten(clock: Clock) -> None:
    store, wakeups = Store(), Wakeups()
    authority = Authority(wakeups, store.load, lambda: _NOW)
    assert await _may(authority)

    store.rules, store.broken = TenantRules(1, _CLOSED), True
    wakeups.publish(_ROUTE.tenant)
    clock.seconds += 0.9
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await _may(authority)

    store.broken = False
    assert not await _may(authority)


async def test_bindings_and_agents_end_in_time(clock: Clock) -> None:
    ends = _NOW + timedelta(seconds=5)
    grant = AgentGrant("ann", frozenset({"memory:read"}), 1, AgentState.ACTIVE, ends)
    bound = Binding(Role.DEVELOPER, expires_at=ends)
    store = Store(TenantRules(1, {}, {"bob": (bound,)}, {"scout": grant}, lapses_at=ends))
    now = [_NOW]
    authority = Authority(Wakeups(), store.load, lambda: now[0])
    bob = replace(_ANN, subject="bob", roles=frozenset())
    scout = replace(_ANN, agent="scout")

    assert [await _may(authority, each) for each in (bob, scout)] == [True, True]
    now[0] = ends
    assert [await _may(authority, each) for each in (bob, scout)] == [False, False]
    assert store.reads == 1  # read again once it is settled
    clock.seconds += 1
    await _may(authority)
    assert store.reads == 2


async def test_rules_are_about_the_tenant_s_own_people(clock: Clock) -> None:
    store = Store(TenantRules(1, {}, {}, {}, frozenset({"root"})))
    authority = Authority(Wakeups(), store.load, lambda: _NOW)
    roles = frozenset({Role.PLATFORM_ADMIN})
    root = replace(_ANN, subject="root", roles=roles)

    assert not await _may(authority, root)
    assert await _may(authority, replace(root, tenant=TenantId("platform")))


async def test_no_tenant_makes_platform_administrators(clock: Clock) -> None:
    store = Store(TenantRules(1, {}, {"ann": (Binding(Role.PLATFORM_ADMIN),)}))
    authority = Authority(Wakeups(), store.load, lambda: _NOW)

    assert not (await authority.asker(_ROUTE, _ANN)).admits("CreateTenant").allowed


@pytest.mark.parametrize(
    ("chain", "may"),
    [(("router",), True), (("lazy",), False), (("gone",), False), (("router", "router"), False)],
)
async def test_those_who_passed_a_task_on_bound_the_agent(
    clock: Clock, chain: tuple[str, ...], may: bool
) -> None:
    read = frozenset({"memory:read", "agent:delegate"})
    agents = {
        "router": AgentGrant("ann", read, 2, AgentState.ACTIVE),
        "lazy": AgentGrant("ann", frozenset({"memory:read"}), 2, AgentState.ACTIVE),
        "gone": AgentGrant("ann", read, 2, AgentState.REVOKED),
    }
    authority = Authority(Wakeups(), Store(TenantRules(1, {}, {}, agents)).load, lambda: _NOW)
    scout = replace(_ANN, agent="scout", delegation=chain, capabilities=frozenset({"memory:read"}))

    assert await _may(authority, scout) is may
