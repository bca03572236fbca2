"""Servers of the sync service for tests: as many replicas as wanted, on one database."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import grpc

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs import changes
from libs.auth import AuthSettings, LocalIssuer, Role
from libs.clients.subscription import Subscription
from libs.encryption.kms_local import LocalKms
from libs.encryption.settings import KmsSettings
from libs.service.platform import Platform, open_platform
from libs.service.server import serving
from libs.service.settings import PlatformSettings, ServerSettings
from libs.spine import writing
from libs.tenancy import TenantId
from libs.wakeups.settings import WakeupSettings
from services.sync.settings import Settings
from services.sync.wiring import wire
from tests.databases import Database

SOON = 20.0  # seconds: far more than anything here needs, far less than a hanging test may take
NEVER = timedelta(hours=1)  # what happens only then does not happen in a test
ALONE = WakeupSettings(transport="none")
# The client's window of unread bytes is as small as it can be: who does not read blocks soon.
_TIGHT = (("grpc.http2.lookahead_bytes", 4096), ("grpc.http2.bdp_probe", 0))

Call = grpc.aio.UnaryStreamCall[pb.SubscribeRequest, pb.SubscribeResponse]
Metadata = tuple[tuple[str, str], ...]


class Serving(Protocol):
    """A server, in whichever process."""

    @property
    def channel(self) -> grpc.aio.Channel: ...
    @property
    def issuer(self) -> LocalIssuer: ...


@dataclass(frozen=True, slots=True)
class Replica:
    """One server, and a client of it."""

    platform: Platform
    issuer: LocalIssuer
    address: str
    web: str  # host:port of WebSockets and the console
    channel: grpc.aio.Channel
    stop: Callable[[], Awaitable[None]]  # the server, not the client

    @property
    def stub(self) -> pb_grpc.SyncServiceAsyncStub:
        return pb_grpc.SyncServiceStub(self.channel)

    def auth(self, tenant: str, lifetime: timedelta = NEVER) -> Metadata:
        token = self.issuer.mint(TenantId(tenant), "ann", [Role.VIEWER], lifetime=lifetime)
        return (("authorization", f"Bearer {token}"),)

    def subscribe(
        self,
        tenant: str,
        since: int | None = None,
        collections: Sequence[str] = (),
        lifetime: timedelta = NEVER,
    ) -> Call:
        request = pb.SubscribeRequest(since=since, collections=collections)
        return self.stub.Subscribe(request, metadata=self.auth(tenant, lifetime))

    def subscription(
        self, tenant: str, since: int | None = None, collections: Sequence[str] = ()
    ) -> Subscription:
        return Subscription(self.stub, since, collections, metadata=lambda: self.auth(tenant))

    async def list(self, tenant: str, since: int, page_size: int = 0) -> pb.ListChangesResponse:
        request = pb.ListChangesRequest(since=since, page_size=page_size)
        return await self.stub.ListChanges(request, metadata=self.auth(tenant))

    async def append(self, tenant: str, count: int = 1, collection: str = "memories") -> int:
        """What any service does: writes the changes, then tells. The number of the first."""
        route = await self.platform.directory.route(TenantId(tenant))
        origin = changes.Origin("user:ann", "0" * 32)
        change = changes.Change(f"{collection}/1", changes.Operation.CREATED, origin)
        async with writing(route) as write:
            first = await write.append([change] * count)
        self.platform.wakeups.publish(route.tenant)
        return first


@asynccontextmanager
async def open_replica(
    database: Database,
    folder: Path,
    wakeups: WakeupSettings = ALONE,
    write_timeout: timedelta = NEVER,
    **settings: Any,
) -> AsyncIterator[Replica]:
    """Serves until the block ends; neither looks nor speaks unasked, unless `settings` of the
    service say so."""
    issuer = await LocalIssuer.open(folder, LocalKms.open(folder / "keyring.json"))
    platform_settings = PlatformSettings(
        control=database.settings(),
        auth=AuthSettings(local_issuer=folder),
        kms=KmsSettings(keyring=folder / "keyring.json"),
        wakeups=wakeups,
    )
    server = ServerSettings(
        address="127.0.0.1:0", shutdown_grace=timedelta(seconds=SOON), write_timeout=write_timeout
    )
    settings = {"poll": NEVER, "quiet": NEVER, "web": {"address": "127.0.0.1:0"}, **settings}
    async with AsyncExitStack() as client, AsyncExitStack() as stack:
        platform = await stack.enter_async_context(open_platform(platform_settings))
        service = Settings(platform=platform_settings, server=server, **settings)
        listening = await stack.enter_async_context(serving("sync", service, wire, platform))
        channel = grpc.aio.insecure_channel(listening.grpc, options=_TIGHT)
        await client.enter_async_context(channel)
        web = listening.doors["web"]
        yield Replica(platform, issuer, listening.grpc, web, channel, stack.aclose)


async def read(call: Call) -> pb.SubscribeResponse:
    """The next message."""
    async with asyncio.timeout(SOON):
        response = await call.read()
    assert isinstance(response, pb.SubscribeResponse)
    return response


async def checkpoint(call: Call) -> int:
    """The next message, which is a checkpoint."""
    response = await read(call)
    assert response.HasField("checkpoint"), response
    return response.checkpoint


async def take(call: Call, count: int) -> list[Change]:
    """The next messages, which are changes."""
    responses = [await read(call) for _ in range(count)]
    assert all(response.HasField("change") for response in responses), responses
    return [response.change for response in responses]


async def numbers(call: Call, count: int) -> list[int]:
    """The numbers of the next messages, which are changes."""
    return [change.number for change in await take(call, count)]


async def end(call: Call) -> None:
    """Reads until the call ends, and raises its error."""
    async with asyncio.timeout(SOON):
        while await call.read() is not grpc.aio.EOF:
            pass
