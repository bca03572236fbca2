"""What messages count as, where it is limited how many may come."""

from aeterna.sync.v1 import live_pb2 as pb
from libs.service.checking import Malformed

_QUICK = frozenset({"ping", "acknowledge", "set_presence"})
_GARBAGE = 4
_OTHERS = 5  # tokens of those for which something stored is read or written


def weight(kind: str) -> float:
    """The tokens of a message: one, or five where something stored is asked for or nothing said
    that can be understood."""
    return 1 if kind in _QUICK else _OTHERS


def length(message: pb.ConnectRequest | Malformed) -> int:
    """The bytes of a message; they count more often where it takes longer to find out that it is
    none."""
    return _GARBAGE * message.size if isinstance(message, Malformed) else message.ByteSize()
