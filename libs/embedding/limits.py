"""How much each tenant may ask of a provider: a token bucket a tenant. Knows no provider."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from libs.embedding.errors import EmbeddingRateLimited
from libs.metrics import EMBEDDING_LIMITED
from libs.tenancy import TenantId

_MINUTE = 60.0
_TENANTS = 10_000  # buckets that are kept; one that is dropped is full again


class RateLimiter:
    """So many texts a minute for each tenant, in this process; a minute's worth may come at once.

    A request is let in while the bucket holds anything, and may leave it in debt: else one larger
    than the bucket would never be.
    """

    def __init__(self, texts_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`texts_per_minute`: 0 limits nothing."""
        self._most, self._clock = texts_per_minute, clock
        self._buckets: OrderedDict[TenantId, tuple[float, float]] = OrderedDict()  # level, when

    def admit(self, tenant: TenantId, texts: int) -> None:
        """Raises EmbeddingRateLimited if the tenant has to wait; takes the texts from its share."""
        if not self._most or not texts:
            return
        now, rate = self._clock(), self._most / _MINUTE
        level, since = self._buckets.pop(tenant, (float(self._most), now))
        level = min(float(self._most), level + (now - since) * rate)
        if level >= 1:
            self._keep(tenant, level - texts, now)
            return
        self._keep(tenant, level, now)
        EMBEDDING_LIMITED.inc()
        raise EmbeddingRateLimited(self._most, timedelta(seconds=(1 - level) / rate))

    def _keep(self, tenant: TenantId, level: float, now: float) -> None:
        self._buckets[tenant] = (level, now)
        if len(self._buckets) > _TENANTS:
            self._buckets.popitem(last=False)
