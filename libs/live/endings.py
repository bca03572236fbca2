"""How a connection ended, and what its client does next. Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto

import grpc

from libs.clients import ClientError

NO_CLOSE = 1006  # of RFC 6455: the connection broke
_SHAPE = re.compile(r"([A-Z][A-Z0-9_]*)(?: number=\d+)?")


class Next(Enum):
    """What a client does once its connection has ended."""

    RESUME = auto()  # connect again after a moment
    WAIT = auto()  # the same, after a longer one: there were too many
    RENEW = auto()  # connect again with a new token
    STOP = auto()  # it would end the same way


_NEXT = {
    1002: Next.STOP,
    1003: Next.STOP,
    1007: Next.STOP,
    1009: Next.STOP,
    4400: Next.STOP,
    4401: Next.RENEW,
    4403: Next.STOP,
    4429: Next.WAIT,
}
_STATUS = {
    4401: grpc.StatusCode.UNAUTHENTICATED,
    4403: grpc.StatusCode.PERMISSION_DENIED,
    4429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_OF_HTTP = {401: 4401, 403: 4403, 429: 4429}  # the same, said before there is a WebSocket


@dataclass(frozen=True, slots=True)
class Ending:
    """Attributes:
    code: The close code; NO_CLOSE where none came.
    text: The close reason: a reason of the contract, or words.
    """

    code: int
    text: str = ""

    @property
    def next(self) -> Next:
        """What to do. Codes that nobody has given a meaning are passing troubles."""
        return _NEXT.get(self.code, Next.RESUME)

    @property
    def error(self) -> ClientError:
        """The same, for whoever waited for something."""
        found = _SHAPE.fullmatch(self.text)
        unavailable = grpc.StatusCode.UNAVAILABLE
        fallback = grpc.StatusCode.INVALID_ARGUMENT if self.next is Next.STOP else unavailable
        message = f"The connection ended with {self.code}: {self.text or 'no reason given'}."
        return ClientError(_STATUS.get(self.code, fallback), message, found[1] if found else "")


def refused(status: int) -> Ending:
    """Of a handshake that was answered with this status of HTTP. A proxy may have said so."""
    code = _OF_HTTP.get(status)
    if code is None:
        passing = status >= 500 or status in (408, 425)
        code = NO_CLOSE if passing else 4400
    return Ending(code, f"the handshake was answered with HTTP {status}")
