"""What webhooks are, how messages are signed, when they are tried again. Pure.

Source of the signature: Standard Webhooks, https://www.standardwebhooks.com
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from libs.errors import invalid

SECRET_BYTES = 32
_PREFIX = "whsec_"
_SHORTEST_SECRET, _LONGEST_SECRET = 24, 64  # bytes
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=4)
_GONE = 410  # the receiver wants no more
_LOCAL = ("localhost", "127.0.0.1", "::1")

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class State(StrEnum):
    """How far a delivery is; the values are stored."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts are sent, with what is sealed of it."""

    id: str
    row_id: UUID
    url: bytes
    secret: bytes
    kinds: Sequence[str]
    enabled: bool
    version: int
    number: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert for one webhook."""

    id: UUID
    webhook: str
    alert: UUID
    state: State
    attempts: int
    status: int
    problem: str
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Told(NamedTuple):
    """How an attempt ended: the HTTP status, 0 for no answer; "" for success, or a code."""

    status: int
    problem: str

    @property
    def hopeless(self) -> bool:
        """Whether it need not be tried again."""
        return self.status == _GONE or self == DISABLED


DISABLED = Told(0, "disabled")


@dataclass(frozen=True)
class Rules:
    """Which addresses messages may go to.

    Attributes:
        local: Whether http, and this machine itself, are allowed: in development.
        allowed: Networks that are allowed though they are not public.
    """

    local: bool
    allowed: Sequence[Network] = ()

    def check(self, url: str, field: str) -> SplitResult:
        """The parts of a URL that may be stored; raises InvalidRequest naming `field`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise invalid(field, "must be a URL") from exc
        if any(each.isspace() or not each.isprintable() for each in url) or port == 0:
            raise invalid(field, "must be a URL")
        if not parts.hostname or parts.username is not None or parts.fragment:
            raise invalid(field, "must name a host, without user, password and fragment")
        if not _is_name(parts.hostname):
            raise invalid(field, "must name a host that can be looked up")
        local = self.local and parts.hostname in _LOCAL
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise invalid(field, "must begin with https://")
        if (literal := _literal(parts.hostname)) and not self.permits(literal):
            raise invalid(field, "must be a public address")
        return parts

    def permits(self, address: Address) -> bool:
        """Whether a message may be sent there."""
        mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
        if mapped:
            return self.permits(mapped)
        if any(address in each for each in self.allowed):
            return True
        if address.is_loopback:
            return self.local
        return address.is_global and not address.is_multicast and not _nat64(address)


def _is_name(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _nat64(address: Address) -> bool:
    """Addresses in which another one is hidden that nobody has checked (RFC 6052, 4380)."""
    hidden = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2001::/32"))
    return isinstance(address, IPv6Address) and any(address in each for each in hidden)


def key_of(secret: str, field: str) -> bytes:
    """The key in a secret; raises InvalidRequest naming `field`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise invalid(field, "must be whsec_ and base64") from exc
    if not secret.startswith(_PREFIX) or not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
        raise invalid(field, "must be whsec_ and base64 of 24 to 64 bytes")
    return key


def secret_of(key: bytes) -> str:
    """How a key is told."""
    return _PREFIX + base64.b64encode(key).decode()


def body_of(alert: Mapping[str, Any]) -> bytes:
    """What is sent: the same for every attempt."""
    return json.dumps(alert, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(key: bytes, alert: UUID, body: bytes, now: datetime) -> dict[str, str]:
    """Id, time and signature of a message."""
    name, at = f"msg_{alert}", str(int(now.timestamp()))
    digest = hmac.digest(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "user-agent": "aeterna-webhooks",
        "webhook-id": name,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def pause(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many attempts (from 1); `chance` in [0, 1) spreads it by a fifth
    to either side."""
    factor = float(3 ** min(attempts - 1, 20))
    usual = min(_LONGEST_PAUSE, _FIRST_PAUSE * factor)
    return usual * (0.8 + 0.4 * chance)
