"""A connection that has not said what it wants yet: a file, or a WebSocket (RFC 6455, 4.2)."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from libs.metrics import SOCKET_OPENINGS
from services.sync.web.answers import of_file, refusal
from services.sync.web.frames import LOGGER
from services.sync.web.messages import CODINGS, JSON, authenticate
from services.sync.web.origins import may_connect
from services.sync.web.shared import Shared
from services.sync.web.sockets import Socket

PATH = "/v1/live"
_TENANT = "X-Aeterna-Tenant"
LONGEST = 32 * 1024  # bytes of a request
_END = b"\r\n\r\n"
_METHOD = range(ord("A"), ord("Z") + 1)  # what one begins with
_COME_AGAIN = "5"  # seconds
_NO_REQUEST = refusal(HTTPStatus.BAD_REQUEST, "This is no request.")


def whole(data: bytes, seen: int = 0) -> bool:
    """Whether a request has come to its end, or is none; `seen`: bytes in which it did not end."""
    return data.find(_END, seen) >= 0 or data[0] not in _METHOD


class Opening(asyncio.Protocol):
    """Answers one request; then it closes, or goes on as a `Socket`."""

    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle
    _parser: ServerProtocol

    def __init__(self, shared: Shared) -> None:
        self._shared, self.address = shared, ""
        self._data = b""
        self._waits = False  # for its turn
        self._served = False

    def abort(self) -> None:
        """Ends it at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self.address = str(name[0]) if isinstance(name, tuple) else ""
        seconds = self._shared.settings.opening_timeout.total_seconds()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)
        self._shared.guests.come(self)

    def data_received(self, data: bytes) -> None:
        """However many come at once, one is looked at in a turn of the loop, when it is whole."""
        seen = max(0, len(self._data) - len(_END))
        self._data += data
        if len(self._data) > LONGEST:
            self.abort()
        elif not self._waits and whole(self._data, seen):
            self._waits = True
            self._shared.doorway.call(self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        self._waits = False
        self._parser = ServerProtocol(select_subprotocol=_select, logger=LOGGER)
        self._parser.receive_data(self._data)
        events = self._parser.events_received()
        if len(events) > 1 or (events and self._parser.reader.buffer):
            self.abort()  # nobody may send frames before the answer
        elif events:
            self._answer(cast(Request, events[0]))
        else:
            self._write(self._parser.data_to_send())

    def eof_received(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._shared.guests.leave(self)
        self._shared.doorway.was(somebody=self._served)

    def _answer(self, request: Request) -> None:
        path = request.path.partition("?")[0]
        response = self._opened(request) if path == PATH else self._file(path, request)
        self._parser.send_response(response)
        self._write(self._parser.data_to_send())
        if self._parser.state is OPEN:
            self._go_on(request.headers)

    def _file(self, path: str, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD only.", Allow="GET, HEAD")
        if file := self._shared.files.get(path):
            self._served = True
            return of_file(file, request)
        return refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _opened(self, request: Request) -> Response:
        """The answer to who wants a WebSocket."""
        response = self._unwelcome(request.headers) or self._parser.accept(request)
        SOCKET_OPENINGS.labels(str(response.status_code)).inc()
        return response

    def _unwelcome(self, headers: Headers) -> Response | None:
        """Why this one gets none, however well it asks."""
        guests = self._shared.guests
        if self._shared.stopping or not guests.has_room():
            why = "No more connections here for the moment."
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, why, Retry_After=_COME_AGAIN)
        if not guests.has_room_for(self.address):
            why = "Too many connections from one address."
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, why, Retry_After=_COME_AGAIN)
        if not self._may_connect(headers):
            return refusal(HTTPStatus.FORBIDDEN, "Pages of this origin may not connect.")
        return None

    def _may_connect(self, headers: Headers) -> bool:
        host = headers.get_all("Host")
        allowed = self._shared.settings.origins
        return all(
            may_connect(origin, host[0] if len(host) == 1 else None, allowed)
            for origin in headers.get_all("Origin")
        )

    def _go_on(self, headers: Headers) -> None:
        self._timer.cancel()
        coding = CODINGS.get(self._parser.subprotocol or "", JSON)
        socket = Socket(self._shared, self._transport, coding, self.address)
        self._shared.guests.settle(self, socket)
        self._transport.set_protocol(socket)
        socket.begin(authenticate(headers.get_all("Authorization"), headers.get_all(_TENANT)))

    def _write(self, several: list[bytes]) -> None:
        """Writes; the library would end without a word where no request can be read."""
        if several == [SEND_EOF]:
            several = [_NO_REQUEST.serialize(), SEND_EOF]
        for data in several:
            if data is SEND_EOF:
                self._transport.close()
            else:
                self._transport.write(data)


def _select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first that is known; a client that names none gets JSON."""
    known = [name for name in offered if name in CODINGS]
    if offered and not known:
        raise NegotiationError(f"the subprotocols are {' and '.join(CODINGS)}")
    return known[0] if known else None
