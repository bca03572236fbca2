"""How a connection ends, and what its client should do next. Pure."""

from dataclasses import dataclass

from libs.errors import AppError, Kind

GOING_AWAY, MISUSE, UNAUTHENTICATED, FORBIDDEN = 1001, 4400, 4401, 4403
TOO_LATE, SLOW, TOO_MANY, UNAVAILABLE = 4408, 4409, 4429, 4503

_BY_REASON = {"SERVER_STOPPING": GOING_AWAY, "SLOW_CONSUMER": SLOW}
_BY_KIND = {
    Kind.INVALID: MISUSE,
    Kind.UNAUTHENTICATED: UNAUTHENTICATED,
    Kind.DENIED: FORBIDDEN,
    Kind.NOT_FOUND: FORBIDDEN,
    Kind.PRECONDITION: FORBIDDEN,
    Kind.TIMEOUT: TOO_LATE,
    Kind.EXHAUSTED: TOO_MANY,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ends; of a gRPC call `error` is the status.

    Attributes:
        number: What was sent up to there has arrived for sure, where that is known: of a client
            that is too slow, the smallest over its rooms.
    """

    error: AppError
    number: int | None = None

    @property
    def code(self) -> int:
        """The close code of a WebSocket (RFC 6455, 7.4): what to do next."""
        by_kind = _BY_KIND.get(self.error.kind, UNAVAILABLE)
        return _BY_REASON.get(self.error.reason, by_kind)

    @property
    def text(self) -> str:
        """The close reason of a WebSocket: at most 123 bytes of ASCII."""
        number = "" if self.number is None else f" number={self.number}"
        return f"{self.error.reason}{number}"
