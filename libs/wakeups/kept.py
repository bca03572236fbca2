"""What a process knows of tenants: one value for each, read again when it may have changed.

A value is trusted until a wake-up says that its tenant has changed, and read again now and then,
since a wake-up may be lost. One that could not be read again is not trusted. Knows nothing of what
is kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from libs.tenancy import TenantId
from libs.wakeups import Wakeups, Watch

T = TypeVar("T")
_TRUSTED = 30.0  # seconds after which a value is read again, though no wake-up came


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    watch: Watch
    closing: ExitStack
    read_at: float | None = None  # None: to be read before it is used
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Kept(Generic[T]):
    """Values by tenant; one per process.

    Args:
        unknown: What stands for a value that was never read.
        most: Tenants whose values are kept.
        settled: Seconds in which a value is not read again, however busy its tenant is.
        lapsed: Whether time alone has made a value wrong.
    """

    def __init__(
        self,
        wakeups: Wakeups,
        unknown: Callable[[], T],
        *,
        most: int = 10_000,
        settled: float = 1.0,
        lapsed: Callable[[T], bool] = lambda _: False,
    ) -> None:
        self._wakeups, self._unknown = wakeups, unknown
        self._most, self._settled, self._lapsed = most, settled, lapsed
        self._entries: OrderedDict[TenantId, _Entry[T]] = OrderedDict()

    async def get(self, tenant: TenantId, read: Callable[[T], Awaitable[T]]) -> T:
        """The value as it is now, or was `settled` seconds ago at most.

        Args:
            read: Reads it, given the one that was known; those who come at once share an answer.
        """
        entry = self._entry(tenant)
        if not self._fresh(entry):
            async with entry.reading:
                if not self._fresh(entry):
                    await self._read(entry, read)
        return entry.value

    async def put(self, tenant: TenantId, newer: Callable[[T], T]) -> T:
        """Keeps what this process has just written; `newer` chooses, given what is known."""
        entry = self._entry(tenant)
        async with entry.reading:  # whose answer may be of before
            entry.value, entry.read_at = newer(entry.value), monotonic()
            return entry.value

    async def _read(self, entry: _Entry[T], read: Callable[[T], Awaitable[T]]) -> None:
        entry.watch.clear()
        entry.read_at, began = None, monotonic()
        entry.value = await read(entry.value)
        entry.read_at = began

    def _fresh(self, entry: _Entry[T]) -> bool:
        if entry.read_at is None:
            return False
        age = monotonic() - entry.read_at
        if age < self._settled:
            return True
        told = age < _TRUSTED and self._wakeups.connected and not entry.watch.rung
        return told and not self._lapsed(entry.value)

    def _entry(self, tenant: TenantId) -> _Entry[T]:
        entry = self._entries.get(tenant) or self._watched(tenant)
        self._entries.move_to_end(tenant)
        return entry

    def _watched(self, tenant: TenantId) -> _Entry[T]:
        """A new entry, which hears of changes from now on."""
        closing = ExitStack()
        watch = closing.enter_context(self._wakeups.watch(tenant))
        entry = self._entries[tenant] = _Entry(self._unknown(), watch, closing)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)[1].closing.close()
        return entry
