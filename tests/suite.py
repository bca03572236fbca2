"""The running suite as tests see it: addresses, tokens, stubs. The services are the real ones."""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc

from aeterna.governance.v1 import tenants_pb2
from cli.endpoints import SERVICES
from cli.suite import Addresses, running_suite
from libs.auth import AuthSettings, LocalIssuer, Role
from libs.clients.stubs import Stubs
from libs.encryption.kms_local import LocalKms
from libs.encryption.settings import KmsSettings
from libs.service.settings import PlatformSettings
from libs.tenancy import TenantId
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database, add_shard

ANY_PORT = Addresses(*["127.0.0.1:0"] * 5)
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Suite(Stubs):
    """The four services and the issuer that they trust."""

    platform: PlatformSettings
    addresses: Addresses
    issuer: LocalIssuer
    database: Database

    def token(
        self, tenant: str, subject: str = "ann", roles: Sequence[Role] = (Role.TENANT_ADMIN,)
    ) -> str:
        """A bearer token."""
        return self.issuer.mint(TenantId(tenant), subject, roles)

    def auth(
        self, tenant: str, subject: str = "ann", roles: Sequence[Role] = (Role.TENANT_ADMIN,)
    ) -> Metadata:
        """Metadata of a caller."""
        return (("authorization", f"Bearer {self.token(tenant, subject, roles)}"),)

    @property
    def platform_admin(self) -> Metadata:
        """Metadata of a platform administrator."""
        return self.auth("platform", "root", (Role.PLATFORM_ADMIN,))

    async def create_tenant(self, tenant: str) -> Metadata:
        """A new tenant, through governance; metadata of its administrator."""
        request = tenants_pb2.CreateTenantRequest(tenant_id=tenant, request_id=str(uuid4()))
        await self.tenants.CreateTenant(request, metadata=self.platform_admin)
        return self.auth(tenant)


@asynccontextmanager
async def open_suite(
    database: Database, folder: Path, wakeups: WakeupSettings | None = None
) -> AsyncIterator[Suite]:
    """Serves on the database until the block ends; keys and issuer live in `folder`.

    Several suites may share a database and a folder: they are replicas.
    """
    await add_shard(database)
    keyring = folder / "keyring.json"
    issuer = await LocalIssuer.open(folder, LocalKms.open(keyring))
    platform = PlatformSettings(
        control=database.settings(),
        auth=AuthSettings(local_issuer=folder),
        kms=KmsSettings(keyring=keyring),
        wakeups=wakeups or WakeupSettings(transport="none"),
    )
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(running_suite(platform, ANY_PORT))
        channels = {
            name: await stack.enter_async_context(
                grpc.aio.insecure_channel(getattr(addresses, name))
            )
            for name in SERVICES
        }
        yield Suite(channels, platform, addresses, issuer, database)
