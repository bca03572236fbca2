"""Channels to a service: transport, retries, limits; identity and trace go with every call."""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from libs.clients.outgoing import Outgoing
from libs.errors import AppError, Kind

# A call that a server did not take, or whose answer was lost, is sent again: every change carries
# a request id, so that it cannot be made twice.
_RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{}], "retryPolicy": _RETRIES}],
}
_OPTIONS = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 30_000),  # servers allow one every 10 seconds
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", -1),  # a page of large things is the server's to bound
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),  # a lost replica's successor has a new IP
)


class TlsUnusable(AppError):
    """A certificate or key file cannot be read."""

    kind, reason = Kind.PRECONDITION, "TLS_UNUSABLE"

    def __init__(self, error: OSError) -> None:
        path = str(error.filename)
        super().__init__(f"{path} cannot be read: {error.strerror}.", path=path)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. `certificate` and `key` are the client's own, for mutual TLS.

    `server_name` is what the server's certificate is for, where that is not the address.
    """

    ca: Path | None = None  # what signed the server's certificate; gRPC's built-in roots if None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    @property
    def options(self) -> Sequence[tuple[str, str]]:
        """Of a channel."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []

    def context(self) -> ssl.SSLContext:
        """For what is no gRPC. Raises TlsUnusable."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise TlsUnusable(error) from error
        return context

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises TlsUnusable."""
        try:
            return grpc.ssl_channel_credentials(*map(_read, (self.ca, self.key, self.certificate)))
        except OSError as error:
            raise TlsUnusable(error) from error


@asynccontextmanager
async def open_channel(
    address: str,
    token: Callable[[], str],
    *,
    tenant: str = "",
    tls: Tls | None = None,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `host:port`, for the length of the block; several addresses share the load.

    All addresses of a name are used in turn: in Kubernetes a headless Service has one per replica.

    Args:
        token: Gives the bearer token, for each call anew.
        tenant: The tenant to act for; the token's own if empty.
        tls: How to encrypt; plain text if None.
        interceptors: Run outside of the channel's own.
    """
    chain = [*interceptors, *Outgoing(token, tenant).interceptors()]
    if tls is None:
        channel = grpc.aio.insecure_channel(address, options=_OPTIONS, interceptors=chain)
    else:
        options = [*_OPTIONS, *tls.options]
        channel = grpc.aio.secure_channel(address, tls.credentials(), options, None, chain)
    async with channel:
        yield channel


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path else None
