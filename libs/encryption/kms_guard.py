"""A key management service as services see it: watched, counted, and left alone while it is down.

Knows no provider. What fails for a while is not asked again at once, so that an outage costs one
slow call now and then, not one for each request.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NoReturn, TypeVar

import structlog

from libs.encryption.errors import DecryptionFailed, KmsUnavailable
from libs.encryption.kms import Context, GeneratedKey, Kms, KmsDescription, WrappedKey
from libs.errors import AppError
from libs.metrics import KMS_AVAILABLE, KMS_CALLS, KMS_SECONDS

T = TypeVar("T")
log = structlog.get_logger(__name__)

_REST = 2.0  # seconds after an outage was seen
_LOOK = 30.0  # seconds between looks at the key


class GuardedKms:
    """`Kms` over one or two others: what the current one does not own, the previous one unwraps.
    Whether it is available the current one says."""

    def __init__(
        self,
        current: Kms,
        previous: Kms | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._current, self._previous, self._clock = current, previous, clock
        self._rests: dict[int, tuple[KmsUnavailable, float]] = {}  # of those that are away
        self._turned = asyncio.Event()
        self.available = True
        KMS_AVAILABLE.set(1)

    @property
    def is_production_safe(self) -> bool:
        """See `Kms`: of the one that wraps."""
        return self._current.is_production_safe

    async def generate(self, context: Context) -> GeneratedKey:
        """See `Kms`."""
        kms = self._current
        return await self._watched("generate", kms, lambda: kms.generate(context))

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        """See `Kms`."""
        kms = self._current
        return await self._watched("wrap", kms, lambda: kms.wrap(plaintext, context))

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """See `Kms`."""
        kms = self._owner(wrapped.key_id)
        return await self._watched("unwrap", kms, lambda: kms.unwrap(wrapped, context))

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        """See `Kms`: from the previous one into the current one, too."""
        kms = self._current
        if self._owner(wrapped.key_id) is kms:
            return await self._watched("rewrap", kms, lambda: kms.rewrap(wrapped, context))
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def rotate(self) -> str:
        """See `Kms`."""
        return await self._watched("rotate", self._current, self._current.rotate)

    async def describe(self) -> KmsDescription:
        """See `Kms`."""
        kms = self._current
        return await self._watched(
            "describe", kms, kms.describe, lambda found: found.state == "enabled"
        )

    async def keys(self) -> Sequence[KmsDescription]:
        """See `Kms`: those of both."""
        found = [*await self._watched("keys", self._current, self._current.keys)]
        if self._previous:
            found += await self._watched("keys", self._previous, self._previous.keys)
        return found

    def owns(self, key_id: str) -> bool:
        """See `Kms`."""
        return self._current.owns(key_id) or bool(self._previous and self._previous.owns(key_id))

    async def availability(self) -> AsyncGenerator[bool, None]:
        """Whether it can be used: now, and whenever that has changed."""
        while True:
            turned = self._turned
            yield self.available
            await turned.wait()

    async def look(self) -> None:
        """Asks how the key is, again and again: an outage is known before a key is needed."""
        while True:
            await asyncio.sleep(_LOOK)
            with suppress(AppError):  # which has been told
                await self.describe()

    def _owner(self, key_id: str) -> Kms:
        if self._previous and not self._current.owns(key_id) and self._previous.owns(key_id):
            return self._previous
        return self._current

    async def _watched(
        self,
        name: str,
        kms: Kms,
        call: Callable[[], Awaitable[T]],
        usable: Callable[[T], bool] = lambda _: True,
    ) -> T:
        started = self._clock()
        outage, until = self._rests.get(id(kms), (None, 0.0))
        if outage and started < until:
            KMS_CALLS.labels(name, "SPARED").inc()
            raise outage
        try:
            result = await call()
        except DecryptionFailed:
            KMS_CALLS.labels(name, DecryptionFailed.reason).inc()
            raise  # says something of a wrapped key, nothing of the service
        except AppError as error:
            self._failed(name, kms, error)
        KMS_CALLS.labels(name, "OK").inc()
        KMS_SECONDS.observe(self._clock() - started)
        if kms is self._current:
            self._turn(usable(result), "the key may not be used")
        return result

    def _failed(self, name: str, kms: Kms, error: AppError) -> NoReturn:
        KMS_CALLS.labels(name, error.reason).inc()
        if isinstance(error, KmsUnavailable):
            self._rests[id(kms)] = error, self._clock() + _REST
        if kms is self._current:
            self._turn(False, error.reason)
        raise error

    def _turn(self, available: bool, why: str) -> None:
        if available == self.available:
            return
        self.available = available
        KMS_AVAILABLE.set(available)
        log.warning("kms.turned", available=available, why="" if available else why)
        self._turned.set()
        self._turned = asyncio.Event()
