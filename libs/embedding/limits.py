"""How much each tenant may ask of a provider. Knows no provider."""

import time
from collections.abc import Callable

from libs.buckets import Buckets
from libs.embedding.errors import EmbeddingRateLimited
from libs.metrics import EMBEDDING_LIMITED
from libs.tenancy import TenantId

_MINUTE = 60.0


class RateLimiter:
    """So many texts a minute for each tenant, in this process; a minute's worth may come at once.

    A request is let in while the bucket holds anything, and may leave it in debt: else one larger
    than the bucket would never be.
    """

    def __init__(self, texts_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`texts_per_minute`: 0 limits nothing."""
        self._most = texts_per_minute
        self._buckets = Buckets(texts_per_minute / _MINUTE, float(texts_per_minute), clock)

    def admit(self, tenant: TenantId, texts: int) -> None:
        """Raises EmbeddingRateLimited if the tenant has to wait; takes the texts from its share."""
        if self._most and texts and (wait := self._buckets.take(tenant, texts)):
            EMBEDDING_LIMITED.inc()
            raise EmbeddingRateLimited(self._most, wait)
