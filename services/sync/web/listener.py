"""Takes in connections, one in a turn of the event loop.

A server of the event loop takes all that wait at once, which holds up everybody else when many
come; here they wait in the kernel.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import structlog

from services.sync.web.doorstep import Doorstep
from services.sync.web.opening import LONGEST, whole
from services.sync.web.settings import WebSettings
from services.sync.web.turns import Doorway

log = structlog.get_logger(__name__)

_BACKLOG = 4096  # after a restart all come at once
_NO_MORE = 1.0  # seconds until it is tried again when the system has no room for another


class Listener:
    """Listens from the beginning. Each connection that has sent a request, or begun TLS, gets a
    protocol."""

    def __init__(
        self,
        address: tuple[str, int],
        protocol: Callable[[], asyncio.Protocol],
        doorway: Doorway,
        settings: WebSettings,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Raises OSError when nobody can listen there."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._protocol, self._doorway, self._tls = protocol, doorway, tls
        self._patience = settings.opening_timeout.total_seconds()
        self._most = settings.openings
        self._coming: dict[asyncio.Task[None], None] = {}  # in the order in which they came
        self._loop = asyncio.get_running_loop()
        self._doorstep = Doorstep(
            self._enter, bool if tls else whole, doorway, settings.openings, self._patience, LONGEST
        )
        self._wait()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        """Nobody is taken in any more; who has a protocol is left alone."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._doorstep.close()
        for task in self._coming:
            task.cancel()

    def _wait(self) -> None:
        if self._socket.fileno() >= 0:
            self._doorway.when_readable(self._socket, self._accept)

    def _accept(self) -> None:
        if self._socket.fileno() < 0:
            return
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionError):
            self._wait()
        except OSError as error:  # no more files, no more memory
            log.warning("no_connection_taken", why=error.strerror)
            self._loop.call_later(_NO_MORE, self._wait)
        else:
            self._doorway.call(self._accept)  # whatever becomes of this one
            connection.setblocking(False)
            self._doorstep.put(connection)

    def _enter(self, connection: socket.socket) -> None:
        """Who begins TLS and takes long with it makes room for others, as on the doorstep."""
        if len(self._coming) >= self._most:
            next(iter(self._coming)).cancel()
        task = self._loop.create_task(self._welcome(connection))
        self._coming[task] = None
        task.add_done_callback(self._coming.pop)

    async def _welcome(self, connection: socket.socket) -> None:
        patience = self._patience if self._tls else None
        welcomed = False
        try:
            with suppress(OSError):  # gone again, or no TLS
                await self._loop.connect_accepted_socket(
                    self._protocol, connection, ssl=self._tls, ssl_handshake_timeout=patience
                )
                welcomed = True
        finally:
            if not welcomed:
                self._doorway.was(somebody=False)
