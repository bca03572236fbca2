"""How many calls a tenant may make."""

from dataclasses import dataclass

import pytest

from libs.service.limits import CallRateLimited, Limits
from libs.tenancy import TenantId

ACME, UMBRELLA = TenantId("acme"), TenantId("umbrella")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: Limits, tenant: TenantId, calls: int) -> int:
    """How many of so many calls are let in."""
    count = 0
    for _ in range(calls):
        try:
            limits.admit(tenant, "memory")
        except CallRateLimited:
            continue
        count += 1
    return count


def test_nobody_is_limited_unless_told() -> None:
    assert admitted(Limits(0, 1, Clock()), ACME, 10_000) == 10_000


def test_a_burst_then_the_rate_for_each_tenant_by_itself() -> None:
    clock = Clock()
    limits = Limits(2, 5, clock)

    assert admitted(limits, ACME, 100) == 5
    assert admitted(limits, UMBRELLA, 100) == 5
    clock.now += 1
    assert admitted(limits, ACME, 100) == 2
    clock.now += 3600
    assert admitted(limits, ACME, 100) == 5


def test_who_is_refused_is_told_when_to_come_again() -> None:
    clock = Clock()
    limits = Limits(2, 1, clock)
    limits.admit(ACME, "memory")

    with pytest.raises(CallRateLimited) as refused:
        limits.admit(ACME, "memory")

    assert refused.value.retry_after.total_seconds() == pytest.approx(0.5)
    clock.now += refused.value.retry_after.total_seconds()
    limits.admit(ACME, "memory")
