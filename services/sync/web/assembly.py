"""Messages out of frames (RFC 6455, 5.4): fragments put together, text checked as it comes."""

import codecs

from websockets.frames import Frame, Opcode

DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_utf8 = codecs.getincrementaldecoder("utf-8")


class WrongKind(Exception):
    """Text where bytes were agreed on, or bytes where text was."""


class Assembly:
    """A message of which a part has come."""

    __slots__ = ("_content", "_decoder")

    def __init__(self, text: bool) -> None:
        self._content = bytearray()
        self._decoder = _utf8() if text else None

    def add(self, data: bytes | bytearray, last: bool) -> bytes | None:
        """The whole message, after its last part.

        Raises:
            UnicodeDecodeError: So far it can be no text, however it goes on.
        """
        if self._decoder:
            self._decoder.decode(bytes(data), last)
        self._content += data
        return bytes(self._content) if last else None


def whole(frame: Frame, text: bool) -> bytes | None:
    """The message of a frame that begins one; None when more follows.

    Raises:
        WrongKind, UnicodeDecodeError: As they say.
    """
    if (frame.opcode is Opcode.TEXT) is not text:
        raise WrongKind
    if not frame.fin:
        return None
    content = bytes(frame.data)
    if text:
        content.decode()
    return content
