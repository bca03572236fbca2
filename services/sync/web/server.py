"""The server of WebSockets and the console: listens, and ends in peace."""

import asyncio
import resource
import ssl
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from libs.service.server import AddressInUse
from libs.service.settings import TlsSettings
from services.sync.errors import ServerStopping
from services.sync.live.domain.endings import Ending
from services.sync.live.settings import LiveSettings
from services.sync.web.files import File
from services.sync.web.frames import Parsers
from services.sync.web.guests import Guests
from services.sync.web.listener import Listener
from services.sync.web.opening import Opening
from services.sync.web.settings import WebSettings
from services.sync.web.shared import Live, Shared
from services.sync.web.sockets import Socket
from services.sync.web.turns import Doorway, Turns

log = structlog.get_logger(__name__)

_OTHER_FILES = 512  # that the process may want to open
_MOST, _LEAST = 0.001, 0.0001  # seconds of a millisecond, of many who want turns


class WebServer:
    """A `Door`."""

    name = "web"

    def __init__(
        self,
        settings: WebSettings,
        tls: TlsSettings | None,
        live: Live,
        limits: LiveSettings,
        files: Mapping[str, File],
    ) -> None:
        self._settings, self._tls = settings, tls
        self._live, self._limits, self._files = live, limits, files

    async def open(self) -> str:
        host, _, port = self._settings.address.rpartition(":")
        self._shared = Shared(
            self._settings,
            self._limits,
            self._live,
            self._files,
            Parsers(self._limits.max_message_bytes),
            Guests(self._settings, _most_files() - _OTHER_FILES),
            Turns(_MOST),
            Doorway(_MOST, _LEAST),
        )
        try:
            self._listener = Listener(
                (host.strip("[]"), int(port)),
                lambda: Opening(self._shared),
                self._shared.doorway,
                self._settings,
                _context(self._tls) if self._tls else None,
            )
        except OSError as error:
            raise AddressInUse(self._settings.address) from error
        return f"{host}:{self._listener.port}"

    async def close(self, grace: timedelta) -> None:
        """The hub, which was told before, sends clients away, each at its time; who is still here
        after the grace is closed from here."""
        guests = self._shared.guests
        self._shared.stopping = True
        self._listener.close()
        for guest in guests.opening:
            guest.abort()
        if await _in_time(self._leave(), grace):
            return
        for guest in guests.open:
            if isinstance(guest, Socket):
                guest.end(Ending(ServerStopping()))
        if not await _in_time(guests.gone(), self._settings.closing_timeout):
            for guest in guests.open:
                guest.abort()
            await guests.gone()

    async def _leave(self) -> None:
        await self._live.drained()
        await self._shared.guests.gone()


async def _in_time(work: Awaitable[None], patience: timedelta) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience.total_seconds()):
            await work
            return True
    return False


def _most_files() -> int:
    """How many files the process may have open, from now on as many as it can be allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _context(tls: TlsSettings) -> ssl.SSLContext:
    """As the gRPC server has it: TLS 1.2 or later, mutual where callers' certificates are asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
