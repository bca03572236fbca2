"""Token buckets by tenant, in this process. Knows nothing of what they limit."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from libs.tenancy import TenantId

_KEPT = 10_000  # buckets; one that is dropped is full again
_NO_WAIT = timedelta(0)


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
        now = self._clock()
        level, since = self._levels.pop(tenant, (self._most, now))
        level = min(self._most, level + (now - since) * self._rate)
        enough = level >= 1
        self._levels[tenant] = (level - tokens if enough else level, now)
        if len(self._levels) > _KEPT:
            self._levels.popitem(last=False)
        return _NO_WAIT if enough else timedelta(seconds=(1 - level) / self._rate)
