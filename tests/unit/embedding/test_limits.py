import pytest

from libs.embedding.errors import EmbeddingRateLimited
from libs.embedding.limits import RateLimiter
from libs.tenancy import TenantId

ACME, UMBRELLA = TenantId("acme"), TenantId("umbrella")


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait(limiter: RateLimiter, tenant: TenantId, texts: int = 1) -> float:
    """How long the tenant is told to wait, in seconds; 0 when it is let in."""
    try:
        limiter.admit(tenant, texts)
    except EmbeddingRateLimited as refusal:
        return refusal.retry_after.total_seconds()
    return 0.0


def test_a_minutes_worth_may_come_at_once_and_no_more(clock: Clock) -> None:
    limiter = RateLimiter(6, clock)

    assert [wait(limiter, ACME) for _ in range(7)] == [0] * 6 + [10]
    assert wait(limiter, UMBRELLA) == 0


def test_whoever_waits_as_told_is_let_in(clock: Clock) -> None:
    limiter = RateLimiter(6, clock)
    limiter.admit(ACME, 8)  # leaves a debt of two

    told = wait(limiter, ACME)
    assert told == 30
    clock.now += told - 0.1
    assert wait(limiter, ACME) > 0
    clock.now += 0.1
    assert wait(limiter, ACME) == 0


def test_a_share_does_not_pile_up(clock: Clock) -> None:
    limiter = RateLimiter(2, clock)
    limiter.admit(ACME, 1)
    clock.now += 3600

    assert [wait(limiter, ACME) for _ in range(3)] == [0, 0, 30]


def test_a_request_larger_than_the_share_is_let_in_once(clock: Clock) -> None:
    limiter = RateLimiter(2, clock)

    assert wait(limiter, ACME, 100) == 0
    assert wait(limiter, ACME) == pytest.approx(99 * 30)


def test_nothing_is_limited_when_there_is_no_limit(clock: Clock) -> None:
    limiter = RateLimiter(0, clock)

    assert [wait(limiter, ACME, 1000) for _ in range(100)] == [0] * 100


def test_nothing_costs_nothing(clock: Clock) -> None:
    limiter = RateLimiter(1, clock)
    limiter.admit(ACME, 1)

    assert wait(limiter, ACME, 0) == 0
