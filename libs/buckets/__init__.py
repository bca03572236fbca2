"""Token buckets, by tenant or alone, in this process. Knows nothing of what they limit."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from libs.tenancy import TenantId

_KEPT = 10_000  # buckets; one that is dropped is full again
_NO_WAIT = timedelta(0)


class Pace:
    """A rate that is kept by waiting: so many tokens a second after so many at once."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0  # when all that was taken is there

    def take(self, tokens: float, per_second: float, at_once: float, now: float) -> float:
        """Takes tokens, and says how many seconds to wait for them."""
        self._until = max(self._until, now - at_once / per_second) + tokens / per_second
        return max(0.0, self._until - now)


class Buckets:
    """So many tokens a second for each tenant, at most `most` of them in stock."""

    def __init__(self, per_second: float, most: float, clock: Callable[[], float]) -> None:
        self._rate, self._most, self._clock = per_second, most, clock
        self._levels: OrderedDict[TenantId, tuple[float, float]] = OrderedDict()  # level, when

    def take(self, tenant: TenantId, tokens: float = 1) -> timedelta:
        """Takes tokens, or nothing and says how long to wait.

        They are given while there is one, and may leave the bucket in debt: else more than it
        holds could never be had.
        """
        level, now = self._level(tenant)
        enough = level >= 1
        self._keep(tenant, level - tokens if enough else level, now)
        return _NO_WAIT if enough else timedelta(seconds=(1 - level) / self._rate)

    def reserve(self, tenant: TenantId, tokens: float = 1) -> timedelta:
        """Takes tokens that may not be there yet, and says how long until they are. Who reserves
        later waits longer."""
        level, now = self._level(tenant)
        self._keep(tenant, level - tokens, now)
        return timedelta(seconds=max(0.0, tokens - level) / self._rate)

    def _level(self, tenant: TenantId) -> tuple[float, float]:
        now = self._clock()
        level, since = self._levels.pop(tenant, (self._most, now))
        return min(self._most, level + (now - since) * self._rate), now

    def _keep(self, tenant: TenantId, level: float, now: float) -> None:
        self._levels[tenant] = level, now
        if len(self._levels) > _KEPT:
            self._levels.popitem(last=False)
