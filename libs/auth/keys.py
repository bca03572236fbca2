"""The keys of one issuer, kept at hand and renewed from where it publishes them.

Keys are renewed in the background before they are old, and at once when a token names an unknown
one; but no more often than every ten seconds, whatever is sent: garbage must not become requests to
the issuer. While the issuer is down, the last keys are used for up to a day.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import structlog

from libs.auth.clock import Clock
from libs.auth.errors import KeysUnavailable
from libs.auth.signatures import KeyName, PublicKey, parse_keys

_FRESH = timedelta(minutes=5)
_USABLE = timedelta(hours=24)
_SPACING = timedelta(seconds=10)  # between two attempts
_KEY_SET = "application/jwk-set+json, application/json"  # the first is all that Kubernetes offers
_TIMEOUT = 5.0  # seconds for one attempt
_MAX_DOCUMENT = 256 * 1024  # bytes
_NEVER = datetime.min.replace(tzinfo=UTC)

Fetch = Callable[[], Awaitable[bytes]]
"""Reads a JWK set; raises OSError, httpx.HTTPError or ValueError."""

log = structlog.get_logger(__name__)


class KeySource:
    """The keys of one issuer. Single flight: one attempt at a time, which all callers share."""

    def __init__(self, issuer: str, fetch: Fetch, clock: Clock) -> None:
        self._issuer, self._fetch, self._clock = issuer, fetch, clock
        self._keys: Mapping[KeyName, PublicKey] = {}
        self._loaded_at = self._attempted_at = _NEVER
        self._failed = False  # the last attempt
        self._loading: asyncio.Task[None] | None = None

    async def find(self, name: KeyName) -> PublicKey | None:
        """The key of this name; None when the issuer has none.

        Raises:
            KeysUnavailable: The issuer cannot be asked, and its last keys are too old or do not
                include this one.
        """
        if self._passed_since(self._loaded_at) > _USABLE:
            self._keys = {}
        key = self._keys.get(name)
        if key is None:
            return await self._find_anew(name)
        if self._passed_since(self._loaded_at) > _FRESH:
            self.renew()
        return key

    async def _find_anew(self, name: KeyName) -> PublicKey | None:
        loading = self.renew()
        if loading:
            await asyncio.shield(loading)  # a caller that gives up must not stop it for the others
        if self._failed:
            raise KeysUnavailable
        return self._keys.get(name)

    def renew(self) -> asyncio.Task[None] | None:
        """Start an attempt, or join the one that runs; None when the last was too recent."""
        if self._loading and not self._loading.done():
            return self._loading
        if self._passed_since(self._attempted_at) < _SPACING:
            return None
        self._attempted_at = self._clock()
        self._loading = asyncio.create_task(self._load())
        return self._loading

    async def close(self) -> None:
        """Stop the attempt that runs."""
        if self._loading:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    async def _load(self) -> None:
        try:
            keys = parse_keys(await self._fetch())
        except (OSError, httpx.HTTPError, ValueError) as exc:
            self._failed = True
            log.warning("auth.keys_not_loaded", issuer=self._issuer, error=type(exc).__name__)
            return
        self._keys, self._loaded_at, self._failed = keys, self._clock(), False
        log.info("auth.keys_loaded", issuer=self._issuer, keys=len(keys))

    def _passed_since(self, moment: datetime) -> timedelta:
        return abs(self._clock() - moment)  # a clock that was set back must not stop renewal


def from_file(path: Path) -> Fetch:
    """Reads the file anew each time: it may be replaced."""

    async def fetch() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return fetch


def from_url(client: httpx.AsyncClient, url: str, token_file: Path | None) -> Fetch:
    """Gets the URL; redirects are not followed. The token is read anew each time: it rotates."""

    async def fetch() -> bytes:
        headers = {"Accept": _KEY_SET}
        if token_file:
            token = await asyncio.to_thread(token_file.read_text)
            headers["Authorization"] = f"Bearer {token.strip()}"
        async with (
            asyncio.timeout(_TIMEOUT),
            client.stream("GET", url, headers=headers) as response,
        ):
            response.raise_for_status()
            return await _bounded(response)

    return fetch


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_DOCUMENT:
            raise ValueError("the JWK set is too large")
    return bytes(body)
