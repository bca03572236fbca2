"""A bounded cache of key material that forgets: by age, by room, and at once when told.

Knows nothing of keys. Not for threads: one event loop owns it.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

V = TypeVar("V")


class Began(NamedTuple):
    """When the loading of a value began: taken before the store is read."""

    seconds: float
    generation: int


class KeyCache(Generic[V]):
    """Values by (tenant, name); the least recently used goes first."""

    def __init__(self, clock: Callable[[], float], capacity: int, ttl_seconds: float) -> None:
        self._clock = clock
        self._generation = 0
        self._capacity = capacity
        self._ttl = ttl_seconds
        self._entries: OrderedDict[tuple[str, object], tuple[float, V]] = OrderedDict()

    def get(self, key: tuple[str, object], now: float) -> V | None:
        """The value, unless it is older than the time to live; `now` is in seconds."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def expired(self, key: tuple[str, object]) -> V | None:
        """The value whatever its age: for what may outlive a reload, never for use as a key."""
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def begin(self) -> Began:
        """To be called before a value is read, and given to `put` with it."""
        return Began(self._clock(), self._generation)

    def put(self, key: tuple[str, object], value: V, began: Began) -> None:
        """Keep a value, unless values were dropped since its loading began: it may be one."""
        if began.generation != self._generation:
            return
        self._entries[key] = (began.seconds + self._ttl, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def expire(self, tenant: str) -> None:
        """Let a tenant's values be older than the time to live, as those being loaded will be."""
        self._generation += 1
        now = self._clock()
        for key, (until, value) in self._entries.items():
            if key[0] == tenant:
                self._entries[key] = (min(until, now), value)

    def drop(self, tenant: str) -> None:
        """Forget a tenant's values, also those that are being loaded at the moment."""
        self._generation += 1
        for key in [key for key in self._entries if key[0] == tenant]:
            del self._entries[key]
