"""Settings of WebSockets and the console."""

from datetime import timedelta

from pydantic import BaseModel, NonNegativeInt, PositiveInt


class WebSettings(BaseModel, frozen=True):
    """The port of WebSockets and the console. It speaks TLS when the gRPC server does."""

    address: str = "0.0.0.0:8080"  # host:port
    origins: tuple[str, ...] = ()  # whose pages may connect, beside the console's own
    connections: PositiveInt = 20_000  # at once, in one process
    connections_per_address: NonNegativeInt = 0  # likewise; 0: no limit
    openings: PositiveInt = 1000  # not yet open at once: then the oldest makes room
    opening_timeout: timedelta = timedelta(seconds=10)  # TLS, then the request, each
    closing_timeout: timedelta = timedelta(seconds=5)  # for the other side to close as well
    buffered_bytes: PositiveInt = 8 * 1024 * 1024  # not taken by a client: then it is cut off
