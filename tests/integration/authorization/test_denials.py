"""Denials in the audit trail: equal ones are counted, none is lost while the store is away."""

from dataclasses import dataclass
from typing import Any

import pytest

from libs.authorization import denials as module
from libs.authorization.denials import Denial, Denials
from libs.postgres import StoreUnavailable
from libs.spine.changes import LoggedChange, changes_since
from libs.tenancy import Route, TenantId, TenantNotFound
from libs.wakeups import Wakeups
from tests.integration.authorization.erased import forget


@dataclass
class Way:
    """The way to one tenant, which may be closed."""

    route_there: Route
    open: bool = True

    async def route(self, tenant: TenantId) -> Route:
        if not self.open:
            raise StoreUnavailable
        if tenant != self.route_there.tenant:
            raise TenantNotFound(tenant)
        return self.route_there


@dataclass
class Clock:
    """A clock that a test sets."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Trail:
    """Notes that are written when a test says so."""

    way: Way
    clock: Clock
    denials: Denials

    def note(self, action: str = "GetMemory", tenant: str = "", actor: str = "user:ann") -> None:
        where = TenantId(tenant) or self.way.route_there.tenant
        self.denials.note(Denial(where, actor, action, ("p1", "p2"), "forbidden"), "")

    async def pass_time(self, seconds: float) -> list[tuple[str, str]]:
        """Action and count of what is written after so long."""
        self.clock.seconds += seconds
        before = len(await self.entries())
        await self.denials.write_due()
        fresh = (await self.entries())[before:]
        return [(each.details["action"], each.details["count"]) for each in fresh]

    async def entries(self) -> list[LoggedChange]:
        changes, _ = await changes_since(self.way.route_there, 0, 1000)
        return [each for each in changes if each.event == "access.denied"]


@pytest.fixture
def trail(route: Route) -> Trail:
    way, clock = Way(route), Clock()
    directory: Any = way
    return Trail(way, clock, Denials(Wakeups(), directory, clock=clock))


async def test_the_first_is_written_at_once_and_equal_ones_after_the_window(trail: Trail) -> None:
    trail.note()
    assert await trail.pass_time(0) == [("GetMemory", "1")]
    for _ in range(1000):
        trail.note()
    trail.note("ListMemories")

    assert await trail.pass_time(1) == [("ListMemories", "1")]
    assert await trail.pass_time(59) == [("GetMemory", "1000")]
    assert await trail.pass_time(600) == []
    trail.note()
    assert await trail.pass_time(0) == [("GetMemory", "1")]
    assert (await trail.entries())[0].details == {
        "action": "GetMemory",
        "policies": "p1,p2",
        "reason": "forbidden",
        "count": "1",
    }


async def test_what_cannot_be_written_is_kept(trail: Trail) -> None:
    trail.way.open = False
    for _ in range(3):
        trail.note()
    assert await trail.pass_time(0) == []

    trail.way.open = True
    assert await trail.pass_time(5) == [("GetMemory", "3")]


async def test_who_was_erased_does_not_keep_others_out_of_the_trail(trail: Trail) -> None:
    await forget(trail.way.route_there, "ann")
    trail.note()
    trail.note("ListMemories", actor="user:bob")

    assert await trail.pass_time(0) == [("ListMemories", "1")]
    assert await trail.pass_time(100) == []


async def test_a_tenant_that_is_none_has_no_trail(trail: Trail) -> None:
    trail.note(tenant="platform")

    assert await trail.pass_time(0) == []
    assert await trail.pass_time(100) == []


async def test_more_kinds_than_can_be_told_apart_are_counted_together(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 5)
    for number in range(100):
        trail.note(actor=f"user:u{number}")

    written = await trail.pass_time(0)

    assert sum(int(count) for _, count in written) == 100
    assert len(written) == 6


async def test_what_is_left_at_the_end_is_written(trail: Trail) -> None:
    for _ in range(4):
        trail.note()
        await trail.pass_time(0)

    await trail.denials.write_all()

    assert [each.details["count"] for each in await trail.entries()] == ["1", "3"]
