"""Why a WebSocket is ended before its messages are looked at."""

from libs.errors import AppError, Kind


class TooManyFrames(AppError):
    """More pings and fragments than anybody needs."""

    kind, reason = Kind.EXHAUSTED, "RATE_EXCEEDED"

    def __init__(self, frames_per_second: int) -> None:
        super().__init__(
            f"A client may send {frames_per_second} pings and fragments a second.",
            framesPerSecond=str(frames_per_second),
        )
