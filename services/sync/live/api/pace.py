"""How fast a connection may go on."""

from aeterna.sync.v1 import live_pb2 as pb
from libs.service.checking import Malformed

_QUICK = frozenset({"ping", "acknowledge", "set_presence"})
_GARBAGE = 4
_OTHERS = 5  # tokens of those for which something stored is read or written


class Pace:
    """A rate that is kept by waiting: so many tokens a second after so many at once."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0  # when all that was taken is there

    def take(self, tokens: float, per_second: float, at_once: float, now: float) -> float:
        """Takes tokens, and says how many seconds to wait for them."""
        self._until = max(self._until, now - at_once / per_second) + tokens / per_second
        return max(0.0, self._until - now)


def weight(kind: str) -> float:
    """The tokens of a message: one, or five where something stored is asked for or nothing said
    that can be understood."""
    return 1 if kind in _QUICK else _OTHERS


def length(message: pb.ConnectRequest | Malformed) -> int:
    """The bytes of a message; they count more often where it takes longer to find out that it is
    none."""
    return _GARBAGE * message.size if isinstance(message, Malformed) else message.ByteSize()
