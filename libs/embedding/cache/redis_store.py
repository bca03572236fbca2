"""Entries in Redis: plain keys that expire. A Redis that fails or is silent delays nobody."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from libs.embedding.cache.store import Item
from libs.metrics import EMBEDDING_CACHE_CONNECTED
from libs.redis import RedisSettings, open_redis

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds


class RedisStore:
    """`Store` in Redis behind a circuit breaker: after a failure nobody asks for a while.

    Then one caller tries; the others go on without until it got an answer.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        answer_seconds: float = ANSWER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._answer_seconds, self._clock = client, answer_seconds, clock
        self._failures = 0
        self._closed_until = 0.0
        EMBEDDING_CACHE_CONNECTED.set(1)

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        ask: Callable[[], Awaitable[Any]] = partial(self._client.mget, keys)
        found: Sequence[bytes | None] | None = await self._attempt(ask) if keys else None
        return found or [None] * len(keys)

    async def write(self, items: Sequence[Item]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for item in items:
            pipeline.set(item.key, item.value, ex=item.seconds)
        if items:
            await self._attempt(pipeline.execute)

    async def _attempt(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        if self._clock() < self._closed_until:
            return None
        if self._failures:
            self._pause()  # for the others, while this one tries
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as exc:
            self._failed(exc)
            return None
        self._works()
        return answer

    def _pause(self) -> None:
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        self._closed_until = self._clock() + random.uniform(longest / 2, longest)

    def _failed(self, exc: Exception) -> None:
        if not self._failures:
            log.warning("embedding_cache.failed", error=type(exc).__name__)
            EMBEDDING_CACHE_CONNECTED.set(0)
        self._failures += 1
        self._pause()

    def _works(self) -> None:
        if self._failures:
            log.info("embedding_cache.restored")
            EMBEDDING_CACHE_CONNECTED.set(1)
        self._failures, self._closed_until = 0, 0.0


@asynccontextmanager
async def open_redis_store(settings: RedisSettings) -> AsyncIterator[RedisStore]:
    """Connects when first used.

    Raises:
        RedisUrlInvalid, SentinelsInvalid: As they say.
    """
    async with open_redis(settings, ANSWER_SECONDS) as client:
        yield RedisStore(client)
