"""Policies of tenants are read once, and again when they are others."""

from libs.tenancy import TenantId
from services.governance.authorization import operations
from services.governance.authorization.operations import Engines

ACME, BOLT = TenantId("acme"), TenantId("bolt")
ONE = 'forbid (principal, action == Aeterna::Action::"GetMemory", resource);'
OTHER = 'forbid (principal, action == Aeterna::Action::"ListMemories", resource);'


async def test_policies_are_read_once() -> None:
    engines = Engines()
    engine = await engines.of(ACME, {"one": ONE})

    assert await engines.of(ACME, {"one": ONE}) is engine
    assert await engines.of(BOLT, {"one": ONE}) is not engine


async def test_of_policies_that_change_the_others_are_not_read_again() -> None:
    engines = Engines()
    before = await engines.of(ACME, {"one": ONE})

    after = await engines.of(ACME, {"one": ONE, "other": OTHER})

    assert set(after.read) == {("one", ONE), ("other", OTHER)}
    assert after.read["one", ONE] is before.read["one", ONE]
    assert ("other", OTHER) not in (await engines.of(ACME, {"one": ONE})).read


async def test_no_more_tenants_are_kept_than_there_is_room_for() -> None:
    engines = Engines()
    for number in range(operations._ENGINES + 1):
        await engines.of(TenantId(f"t{number}"), {})
    first = await engines.of(TenantId("t1"), {})

    assert await engines.of(TenantId("t1"), {}) is first
    assert len(engines._kept) == len(engines._policies) == operations._ENGINES
