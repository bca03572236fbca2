"""The one service skeleton: a gRPC server with health, reflection, limits and a graceful end."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

import grpc
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from libs import logs
from libs.errors import AppError, Kind
from libs.service.actions import actions_of
from libs.service.admission import admission_of
from libs.service.background import background
from libs.service.pipeline import Pipeline
from libs.service.platform import Platform, open_platform
from libs.service.settings import PlatformSettings, ServerSettings, TlsSettings
from libs.tracing import tracing

log = structlog.get_logger(__name__)

_WAKEUPS, _KMS = "wakeups", "kms"  # by these names, health tells of what services can do without
_STATUS = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}


class Door(Protocol):
    """Another way into a service than gRPC."""

    @property
    def name(self) -> str: ...

    async def open(self) -> str:
        """Listens; gives host:port, with the real port.

        Raises:
            AddressInUse: Another process listens there.
        """

    async def close(self, grace: timedelta) -> None:
        """Lets nobody in any more, and those who are in out: for so long, then by force."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A gRPC service: its full name, what adds it to a server, whether it is about the caller's
    tenant, what ends its calls that would go on for ever when the server is to stop, those of its
    methods that answer themselves what is wrong in a message, and another way to it."""

    name: str
    add: Callable[[grpc.aio.Server], None]
    routed: bool = True
    stopping: Callable[[], None] = lambda: None
    lenient: frozenset[str] = frozenset()
    door: Door | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """host:port of the gRPC server, and of each door by its name; with the real ports."""

    grpc: str
    doors: Mapping[str, str]


class Settings(Protocol):
    """What the skeleton reads of a service's settings."""

    @property
    def platform(self) -> PlatformSettings: ...
    @property
    def server(self) -> ServerSettings: ...


S = TypeVar("S", bound=Settings)
Wire = Callable[[S, Platform], AbstractAsyncContextManager[Sequence[Registration]]]


class AddressInUse(AppError):
    """Another process listens there already."""

    kind, reason = Kind.PRECONDITION, "ADDRESS_IN_USE"

    def __init__(self, address: str) -> None:
        super().__init__(f"Cannot listen on {address}.", address=address)


def _settle() -> None:
    """What a start has made stays: a full collection that walked it would hold up every call."""
    gc.collect()
    gc.freeze()


def run(name: str, settings: S, wire: Wire[S]) -> None:
    """Serves until SIGTERM or SIGINT; the whole life of a service's process."""
    logs.configure(settings.platform.log_level)
    uvloop.run(_serve_one(name, settings, wire))


async def _serve_one(name: str, settings: S, wire: Wire[S]) -> None:
    with tracing(settings.platform.tracing, name):
        async with open_platform(settings.platform) as platform:
            if settings.server.metrics_port:
                start_http_server(settings.server.metrics_port)
            async with serving(name, settings, wire, platform):
                await stop_requested()


async def stop_requested() -> None:
    """Returns at the first SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


@asynccontextmanager
async def serving(
    name: str, settings: S, wire: Wire[S], platform: Platform
) -> AsyncIterator[Listening]:
    """Serves while the block runs; gives the addresses that it listens on.

    Ends gracefully: NOT_SERVING, then time for callers to hear of it, then calls under way may
    finish, then everything is closed.
    """
    async with AsyncExitStack() as stack:
        registrations = await stack.enter_async_context(wire(settings, platform))
        server = _server(name, settings.server, platform, registrations)
        status = await _health(server, registrations)
        for part, states in (
            (_WAKEUPS, platform.wakeups.connections()),
            (_KMS, platform.kms.availability()),
        ):
            await stack.enter_async_context(background(_tell(status, part, states)))
        address = _listen(server, settings.server.address, settings.server.tls)
        await stack.enter_async_context(_plain_health(status, settings.server))
        doors = [registration.door for registration in registrations if registration.door]
        opened = {door.name: await door.open() for door in doors}
        await server.start()
        _settle()
        log.info("service.started", service=name, address=address, **opened)
        try:
            yield Listening(address, opened)
        finally:
            await status.enter_graceful_shutdown()
            log.info("service.draining", service=name)
            await asyncio.sleep(settings.server.drain_delay.total_seconds())
            for registration in registrations:
                registration.stopping()
            grace = settings.server.shutdown_grace
            closing = [door.close(grace) for door in doors]
            await asyncio.gather(server.stop(grace.total_seconds()), *closing)
            log.info("service.stopped", service=name)


def _server(
    name: str, settings: ServerSettings, platform: Platform, registrations: Sequence[Registration]
) -> grpc.aio.Server:
    unrouted = frozenset(each.name for each in registrations if not each.routed)
    lenient = {f"/{each.name}/{method}" for each in registrations for method in each.lenient}
    pipeline = Pipeline(
        name,
        admission_of(name, platform, settings),
        platform.directory,
        platform.keyring,
        settings.write_timeout,
        platform.traffic,
        actions_of(each.name for each in registrations),
        unrouted,
        frozenset(lenient),
    )
    server = grpc.aio.server(interceptors=[pipeline], options=_options(settings))
    for registration in registrations:
        registration.add(server)
    names = [registration.name for registration in registrations]
    names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    return server


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    """gRPC varies `max_connection_age` by a tenth, so that clients do not come back all at once."""

    def milliseconds(time: timedelta) -> int:
        return int(time.total_seconds() * 1000)

    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", 4 * settings.max_message_bytes),
        ("grpc.max_connection_age_ms", milliseconds(settings.max_connection_age)),
        ("grpc.max_connection_age_grace_ms", milliseconds(settings.max_connection_age_grace)),
        ("grpc.keepalive_time_ms", milliseconds(settings.keepalive)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),
    ]


async def _health(
    server: grpc.aio.Server, registrations: Sequence[Registration]
) -> health.aio.HealthServicer:
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("", *(registration.name for registration in registrations)):
        await servicer.set(name, _STATUS[True])
    return servicer


async def _tell(status: health.aio.HealthServicer, name: str, states: AsyncIterator[bool]) -> None:
    """A service goes on serving without its wake-ups, or on cached keys, but says so."""
    async for well in states:
        await status.set(name, _STATUS[well])


@asynccontextmanager
async def _plain_health(
    status: health.aio.HealthServicer, settings: ServerSettings
) -> AsyncIterator[None]:
    """A second server, for probes that speak no TLS: the same health, and nothing else."""
    if settings.health_port is None:
        yield
        return
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    _listen(server, f"{settings.address.rpartition(':')[0]}:{settings.health_port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


def _listen(server: grpc.aio.Server, address: str, tls: TlsSettings | None = None) -> str:
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, _credentials(tls))
    except RuntimeError as exc:
        raise AddressInUse(address) from exc
    return f"{address.rpartition(':')[0]}:{port}"


def _credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())],
        tls.client_ca.read_bytes() if tls.client_ca else None,
        require_client_auth=tls.client_ca is not None,
    )
