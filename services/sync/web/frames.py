"""RFC 6455 after the opening handshake: bytes in, frames out.

Between two messages a connection has no state of its own, so one parser serves all that are
between messages, in turn; ten thousand silent sockets need none.
"""

import logging
import struct
from collections.abc import Generator

from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

_TEXT, _BINARY = 0x81, 0x82  # final frames
_SPARE = 64  # parsers that are kept
LOGGER = logging.getLogger("aeterna.websockets")
LOGGER.setLevel(logging.ERROR)  # not a line for each connection


class _Reader(StreamReader):
    """Knows whether nothing of a frame was read yet."""

    def __init__(self) -> None:
        super().__init__()
        self.between = False

    def at_eof(self) -> Generator[None, None, bool]:
        self.between = True
        ended = yield from super().at_eof()
        self.between = False
        return ended


class Frames(ServerProtocol):
    """An open connection's frames."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(state=OPEN, max_size=max_message_bytes, logger=LOGGER)
        self.reader = self._between = _Reader()
        self.parser = self.parse()
        next(self.parser)

    @property
    def between_messages(self) -> bool:
        """Whether the connection has left nothing behind here."""
        return self._between.between and self.current_size is None and self.state is OPEN


class Parsers:
    """Parsers for those who are in the middle of a message."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._spare: list[Frames] = []

    def take(self) -> Frames:
        """One that is between messages."""
        return self._spare.pop() if self._spare else Frames(self._max_message_bytes)

    def give(self, parser: Frames) -> None:
        """Gives back one that is between messages, for others to use."""
        if len(self._spare) < _SPARE:
            self._spare.append(parser)


def text_frame(payload: bytes) -> bytes:
    """A whole message of text, as a server sends it: unmasked, uncompressed."""
    return _head(_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """A whole binary message, likewise."""
    return _head(_BINARY, len(payload)) + payload


def _head(first: int, length: int) -> bytes:
    """RFC 6455, 5.2."""
    if length < 126:
        return struct.pack("!BB", first, length)
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
