"""Where entries lie: bytes under a key, for a while. Losing them is always right.

Knows nothing of what they mean.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

_CAPACITY = 64 * 1024 * 1024  # bytes of values
_OVERHEAD = 200  # bytes of an entry beside its value, roughly


class Item(NamedTuple):
    """A value to keep for so many seconds."""

    key: str
    value: bytes
    seconds: int


class Store(Protocol):
    """Neither method ever raises or takes long: what cannot be had is a miss."""

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The value under each key, None where there is none; one round trip for all."""
        ...

    async def write(self, items: Sequence[Item]) -> None:
        """Keeps all, in one round trip; what lay under the keys is gone."""
        ...


class MemoryStore:
    """`Store` in this process; what was used least recently goes first."""

    def __init__(
        self, capacity: int = _CAPACITY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`capacity`: in bytes."""
        self._capacity, self._clock = capacity, clock
        self._size = 0
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        now = self._clock()
        return [self._get(key, now) for key in keys]

    async def write(self, items: Sequence[Item]) -> None:
        now = self._clock()
        for item in items:
            self._drop(item.key)
            self._entries[item.key] = (now + item.seconds, item.value)
            self._size += len(item.value) + _OVERHEAD
        while self._size > self._capacity:
            self._drop(next(iter(self._entries)))

    def _get(self, key: str, now: float) -> bytes | None:
        expires, value = self._entries.get(key, (now, b""))
        if expires <= now:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def _drop(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self._size -= len(entry[1]) + _OVERHEAD
