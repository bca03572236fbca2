"""Who is connected to this process, and for how many more there is room."""

import asyncio
from collections import Counter
from typing import Protocol

from libs.metrics import SOCKETS
from services.sync.web.settings import WebSettings


class Guest(Protocol):
    """A connection; it comes from an address."""

    @property
    def address(self) -> str: ...
    def abort(self) -> None: ...


class Guests:
    """Connections of which some are not open yet. Who takes long to open makes room for others:
    a flood of connections that say nothing keeps nobody out."""

    def __init__(self, settings: WebSettings, most: int) -> None:
        """`most`: as many connections, whatever the settings say."""
        self._settings, self._most = settings, min(most, settings.connections)
        self._opening: dict[Guest, None] = {}  # in the order in which they came
        self._open: dict[Guest, None] = {}
        self._addresses: Counter[str] = Counter()
        self._nobody = asyncio.Event()
        self._nobody.set()

    @property
    def open(self) -> list[Guest]:
        """Those who are open."""
        return list(self._open)

    @property
    def opening(self) -> list[Guest]:
        """Those who are not yet."""
        return list(self._opening)

    def come(self, guest: Guest) -> None:
        """A connection begins."""
        self._opening[guest] = None
        self._nobody.clear()
        if len(self._opening) > self._settings.openings:
            next(iter(self._opening)).abort()

    def has_room(self) -> bool:
        """Whether one more may open."""
        return len(self._open) < self._most

    def has_room_for(self, address: str) -> bool:
        """Whether one more may from there."""
        most = self._settings.connections_per_address
        return not most or self._addresses[address] < most

    def settle(self, opening: Guest, guest: Guest) -> None:
        """A connection is open, and known as `guest` from now on."""
        self._opening.pop(opening, None)
        self._open[guest] = None
        self._count(guest, 1)

    def leave(self, guest: Guest) -> None:
        """A connection is gone."""
        if guest in self._open:
            del self._open[guest]
            self._count(guest, -1)
        self._opening.pop(guest, None)
        if not self._open and not self._opening:
            self._nobody.set()

    async def gone(self) -> None:
        """Returns once nobody is here."""
        await self._nobody.wait()

    def _count(self, guest: Guest, step: int) -> None:
        SOCKETS.inc(step)
        if self._settings.connections_per_address:
            self._addresses[guest.address] += step
            if not self._addresses[guest.address]:
                del self._addresses[guest.address]
