"""Pages of a list (AIP-158): how many entries, and the token that says where the next page begins.

Knows nothing of what a key means to its list.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Self, TypeVar
from uuid import UUID

from libs.aip import storable
from libs.errors import InvalidRequest, invalid

MAX_TOKEN = 1024  # characters, as in the contracts
MAX_ANSWER = 3 * 2**20  # bytes: gRPC's clients receive 4 MiB unless told otherwise
_CHECKSUM = 8  # bytes
_BIGINT = range(-(2**63), 2**63)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Key = list[str | int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that a request asks for: `size` entries after those up to `key`."""

    size: int
    key: Key | None  # of the last entry of the page before; None for the first page
    binding: str

    @classmethod
    def asked(cls, size: int, token: str, *, binding: str, maximum: int = 1000) -> Self:
        """The page of a request with this `page_size` and `page_token`; `binding` as in `encode`.

        Raises:
            InvalidRequest: Either is wrong, and named.
        """
        size = page_size(size, maximum=maximum)
        return cls(size, decode(token, binding=binding), binding)

    @property
    def limit(self) -> int:
        """How many entries to read: one more than fit shows that there is a next page."""
        return self.size + 1

    def after_id(self) -> UUID | None:
        """The key of a list that is ordered by id; raises InvalidRequest for another key."""
        match self.key:
            case None:
                return None
            case [str(text)] if _UUID.fullmatch(text):
                return UUID(text)
        raise bad_token()

    def after_number(self) -> int:
        """The key of a list ordered by numbers from 1, 0 on the first page; raises the same."""
        match self.key:
            case None:
                return 0
            case [int(number)]:
                return number
        raise bad_token()

    def cut(
        self,
        entries: Sequence[T],
        key: Callable[[T], UUID | int | str],
        size: Callable[[T], int] = lambda _: 0,
    ) -> tuple[Sequence[T], str]:
        """What belongs on the page of at most `limit` entries, and the token of the next page.

        Args:
            size: Bytes of an entry; a page ends early when it would be too large to receive.
        """
        page = fitting(entries[: self.size], size)
        if len(entries) == len(page):
            return page, ""
        last = key(page[-1])
        return page, encode([last if isinstance(last, int) else str(last)], binding=self.binding)


def fitting(entries: Sequence[T], size: Callable[[T], int]) -> Sequence[T]:
    """The first entries, as many as MAX_ANSWER allows, but one at least; `size` is in bytes."""
    sizes = accumulate(map(size, entries))
    return entries[: max(1, sum(total <= MAX_ANSWER for total in sizes))]


def page_size(requested: int, *, default: int = 50, maximum: int = 1000) -> int:
    """How many entries to return: the default for 0, never more than the maximum.

    Raises:
        InvalidRequest: A negative number; names `page_size`.
    """
    if requested < 0:
        raise invalid("page_size", "must not be negative")
    return min(requested or default, maximum)


def encode(key: Sequence[str | int], *, binding: str) -> str:
    """The token of the page that begins after `key`.

    Args:
        key: Texts and 64-bit integers; readable by the client.
        binding: What the key is good for: method, tenant and filter.
    Raises:
        ValueError: The key cannot be stored, or the token would be longer than MAX_TOKEN.
    """
    if not all(map(_fits, key)):
        raise ValueError("a key is made of storable texts and 64-bit integers")
    body = json.dumps(list(key), ensure_ascii=False, separators=(",", ":")).encode()
    token = urlsafe_b64encode(_checksum(binding, body) + body).rstrip(b"=").decode()
    if len(token) > MAX_TOKEN:
        raise ValueError(f"a token has at most {MAX_TOKEN} characters, this one {len(token)}")
    return token


def decode(token: str, *, binding: str) -> Key | None:
    """The key in a token that `encode` made for the same binding; None for the empty token.

    The checksum finds mistakes, not malice: a client can make a token with another key in it, so
    the key is input like any other. Refuse it with `bad_token` when it is not what it should be.

    Raises:
        InvalidRequest: Any other text; names `page_token`.
    """
    if not token:
        return None
    try:
        key: Key = _body(token)
        intact = encode(key, binding=binding) == token
    except (ValueError, TypeError, RecursionError) as exc:
        raise bad_token() from exc
    if not intact:
        raise bad_token()
    return key


def bad_token() -> InvalidRequest:
    """The error for a token that no answer to the same request contained."""
    return invalid("page_token", "must come from an answer to the same request")


def _body(token: str) -> Key:
    if len(token) > MAX_TOKEN:
        raise ValueError("too long")
    padded = token + "=" * (-len(token) % 4)
    key: Key = json.loads(urlsafe_b64decode(padded)[_CHECKSUM:])
    return key


def _checksum(binding: str, body: bytes) -> bytes:
    bound = blake2b(binding.encode()).digest()
    return blake2b(bound + body, digest_size=_CHECKSUM).digest()


def _fits(part: object) -> bool:
    if type(part) is str:
        return storable(part)
    return type(part) is int and part in _BIGINT  # True is an int too, and not welcome
