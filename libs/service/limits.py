"""How many calls a tenant may make of one process: a token bucket for each. Knows no service."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from libs.buckets import Buckets
from libs.errors import AppError, Kind
from libs.metrics import REQUESTS_LIMITED
from libs.tenancy import TenantId


class CallRateLimited(AppError):
    """The tenant makes more calls than it may; `retry_after` says when one is let in again."""

    kind, reason = Kind.EXHAUSTED, "CALL_RATE_LIMITED"

    def __init__(self, calls_per_second: float, wait: timedelta) -> None:
        message = f"The tenant may make {calls_per_second:g} calls a second."
        super().__init__(message, callsPerSecond=f"{calls_per_second:g}")
        self.retry_after = wait


class Limits:
    """So many calls a second for each tenant, `at_once` of them at the same time."""

    def __init__(
        self, calls_per_second: float, at_once: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """`calls_per_second`: 0 limits nothing."""
        self._rate = calls_per_second
        self._buckets = Buckets(calls_per_second, at_once, clock)

    def admit(self, tenant: TenantId, service: str) -> None:
        """Raises CallRateLimited if the tenant has to wait."""
        if self._rate and (wait := self._buckets.take(tenant)):
            REQUESTS_LIMITED.labels(service).inc()
            raise CallRateLimited(self._rate, wait)
