"""From a bearer token to an identity, with a memory of the tokens verified lately.

Knows nothing of the transport that carried the token.
"""

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx

from libs.auth.claims import Claims, read_identity
from libs.auth.clock import Clock, utc_now
from libs.auth.errors import IssuerUnknown, TokenInvalid, TokenMissing
from libs.auth.identity import Identity
from libs.auth.keys import Fetch, KeySource, from_file, from_url
from libs.auth.settings import AuthSettings, IssuerSettings
from libs.auth.signatures import parse_object, parse_token

_REMEMBERED_FOR = timedelta(minutes=5)  # how long a withdrawn key may still open the door


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    keys: KeySource


class Authenticator:
    """Verifies tokens of the configured issuers. Open it with `open_authenticator`."""

    def __init__(
        self,
        settings: AuthSettings,
        sources: Mapping[str, KeySource],
        clock: Clock,
        remembers: int = 10_000,  # tokens
    ) -> None:
        self._settings, self._clock, self._remembers = settings, clock, remembers
        self._issuers = {
            each.issuer: _Issuer(each, sources[each.issuer]) for each in settings.trusted
        }
        self._remembered: OrderedDict[bytes, tuple[Identity, datetime]] = OrderedDict()

    async def authenticate(self, token: str) -> Identity:
        """Whose token this is. Does not wait for anything if it was verified lately.

        Raises:
            TokenMissing: It is empty.
            TokenInvalid, TokenExpired, IssuerUnknown: It proves nothing.
            KeysUnavailable: Its issuer cannot be asked; to be tried again.
        """
        if not token:
            raise TokenMissing
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._remembered.get(digest)
        if known and self._clock() < known[1]:
            self._remembered.move_to_end(digest)
            return replace(known[0], token=token)
        identity = await self._verified(token)
        self._remember(digest, identity)
        return replace(identity, token=token)

    async def _verified(self, token: str) -> Identity:
        signed = parse_token(token)
        claims = parse_object(signed.payload)
        issuer = self._issuer_of(claims)
        key = await issuer.keys.find(signed.key)
        if key is None or not key.verifies(signed):
            raise TokenInvalid
        return read_identity(claims, issuer.settings, self._settings, self._clock())

    def _issuer_of(self, claims: Claims) -> _Issuer:
        name = claims.get("iss")
        if not isinstance(name, str) or name not in self._issuers:
            raise IssuerUnknown
        return self._issuers[name]

    def _remember(self, digest: bytes, identity: Identity) -> None:
        until = min(identity.expires_at, self._clock() + _REMEMBERED_FOR)
        self._remembered[digest] = identity, until
        self._remembered.move_to_end(digest)
        if len(self._remembered) > self._remembers:
            self._remembered.popitem(last=False)


@asynccontextmanager
async def open_authenticator(
    settings: AuthSettings, clock: Clock = utc_now
) -> AsyncIterator[Authenticator]:
    """An authenticator that has begun to load the keys of its issuers, and waits for none."""
    async with AsyncExitStack() as stack:
        sources: dict[str, KeySource] = {}
        for issuer in settings.trusted:
            fetch = await _open_fetch(issuer, stack)
            source = sources[issuer.issuer] = KeySource(issuer.issuer, fetch, clock)
            stack.push_async_callback(source.close)
            source.renew()
        yield Authenticator(settings, sources, clock)


async def _open_fetch(issuer: IssuerSettings, stack: AsyncExitStack) -> Fetch:
    if issuer.jwks_file:
        return from_file(issuer.jwks_file)
    ca_file = issuer.jwks_ca_file
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    # A whole attempt is bounded by the fetch, which httpx cannot do.
    client = await stack.enter_async_context(httpx.AsyncClient(verify=verify, timeout=None))
    return from_url(client, str(issuer.jwks_url), issuer.jwks_token_file)
