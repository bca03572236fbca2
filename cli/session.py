"""A caller and the services that it calls."""

from __future__ import annotations  # stubs of asyncio exist for type checkers only

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry import trace

from cli.endpoints import SERVICES, Addresses, find
from cli.options import Options
from libs.clients import open_channel
from libs.clients.stubs import Stubs
from libs.errors import AppError, Kind, invalid

if TYPE_CHECKING:
    from libs.auth import LocalIssuer
    from libs.live import Live

KEYRING = "keyring.json"  # in the data folder
PLATFORM_ADMIN = "platform_admin"
_LIVE = "/v1/live"  # on the port of the web
_PLATFORM = "platform"  # the tenant in the tokens of platform administrators; none needs to exist
_LIFETIME = timedelta(minutes=5)  # of a token that is minted for one call


class NoIssuer(AppError):
    """No token was given and the data folder cannot mint one."""

    kind, reason = Kind.UNAUTHENTICATED, "TOKEN_MISSING"

    def __init__(self, folder: Path) -> None:
        message = f"Give a token (--token or AETERNA_TOKEN): {folder} has no issuer to mint one."
        super().__init__(message, folder=str(folder))


@dataclass(frozen=True)
class Session(Stubs):
    """Stubs of every service, for one caller, and what other connections of it need."""

    options: Options
    addresses: Addresses
    token: Callable[[], str]

    def open_live(self, device: str = "") -> Live:
        """A client of the WebSocket, for the length of an `async with`."""
        from libs.live import Live

        scheme, tls = ("wss", self.options.tls.context()) if self.options.tls else ("ws", None)
        url = f"{scheme}://{self.addresses.web}{_LIVE}"
        tenant = self.options.acts_for
        return Live(url, self.token, tenant=tenant, device=device, tls=tls)


@asynccontextmanager
async def open_session(options: Options, role: str) -> AsyncIterator[Session]:
    """A session of the options; a token that is minted for it has `role`.

    Raises:
        NotRunning, NoIssuer, InvalidRequest: Options are missing or wrong.
    """
    addresses = Addresses.parse(options.server) if options.server else find(options.folder)
    token = await _token(options, role)
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(
                open_channel(
                    getattr(addresses, name), token, tenant=options.acts_for, tls=options.tls
                )
            )
            for name in SERVICES
        }
        with _traced():
            yield Session(channels, options, addresses, token)


async def local_issuer(folder: Path) -> LocalIssuer:
    """The issuer in the data folder; raises NoIssuer when no server ever ran on it."""
    from libs.auth import LocalIssuer
    from libs.encryption.kms_local import LocalKms

    if not (folder / KEYRING).exists():
        raise NoIssuer(folder)
    return await LocalIssuer.open(folder, LocalKms.open(folder / KEYRING))


async def _token(options: Options, role: str) -> Callable[[], str]:
    """Gives the token for a call: the one of the options, or a new one each time."""
    if token := options.token:
        return lambda: token
    issuer = await local_issuer(options.folder)
    from libs.auth import Role
    from libs.tenancy import parse_tenant_id

    tenant = _PLATFORM if role == PLATFORM_ADMIN else options.tenant
    if not tenant:
        raise invalid("tenant", "name it with --tenant or AETERNA_TENANT")
    label, subject = parse_tenant_id(tenant), options.caller

    def mint() -> str:
        return issuer.mint(label, subject, [Role(role)], lifetime=_LIFETIME)

    mint()  # says at once what is wrong with the options
    return mint


@contextmanager
def _traced() -> Iterator[None]:
    """A trace for the calls of the block, without the machinery that would record it here."""
    context = trace.SpanContext(
        secrets.randbits(128) or 1,
        secrets.randbits(64) or 1,
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    with trace.use_span(trace.NonRecordingSpan(context)):
        yield
