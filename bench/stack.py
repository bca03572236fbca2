"""The product as an installation runs it: a PostgreSQL with fsync on, and the memory service as a
process of its own, `python -m services.memory`.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import grpc

from bench.corpus import ROOT
from cli.schema import migrate_database
from libs.auth import LocalIssuer, Role
from libs.auth.settings import AuthSettings
from libs.embedded.postgres import PostgresServer, embedded_postgres
from libs.encryption.keyring import Keyring
from libs.encryption.kms_local import LocalKms
from libs.encryption.store import PostgresKeyStore
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE, DatabaseSettings
from libs.postgres.bootstrap import OWNER_ROLE, ensure_database, ensure_extension, ensure_roles
from libs.service.settings import KmsSettings, PlatformSettings, ServerSettings
from libs.tenancy import TenantId
from libs.tenancy.directory import open_directory
from libs.wakeups.settings import WakeupSettings

DATABASE = "aeterna"
_SHARD = "main"
_START_SECONDS = 60
_STOP_SECONDS = 30
_PLACE = "INSERT INTO control.placement (tenant_id, shard_id) VALUES ($1, $2)"
_STATE = "INSERT INTO aeterna.tenant_state (tenant_id, epoch, state) VALUES ($1, 1, 'active')"


@dataclass(frozen=True)
class Stack:
    """A running PostgreSQL and memory service."""

    folder: Path
    postgres: PostgresServer
    platform: PlatformSettings
    issuer: LocalIssuer
    address: str  # of the memory service
    metrics_port: int
    service_pid: int

    @property
    def postgres_pid(self) -> int:
        """The process whose children serve the connections."""
        return int((self.folder / "postgres/data/postmaster.pid").read_text().split()[0])

    async def connect(self, database: str = DATABASE) -> asyncpg.Connection:
        """As superuser: row-level security does not apply."""
        return await asyncpg.connect(self.postgres.dsn(database))

    def token(self, tenant: str) -> str:
        """A bearer token of a developer."""
        return self.issuer.mint(TenantId(tenant), "bench", [Role.DEVELOPER])

    async def add_tenants(self, tenants: Iterable[str]) -> None:
        """Creates tenants with their keys."""
        async with open_directory(self.platform.control) as directory:
            keyring = Keyring(LocalKms.open(self.platform.kms.keyring), PostgresKeyStore())
            for tenant in tenants:
                await self._add_tenant(tenant)
                await keyring.create_tenant_key(await directory.route(TenantId(tenant)))

    async def _add_tenant(self, tenant: str) -> None:
        conn = await asyncpg.connect(self.postgres.dsn(DATABASE, CONTROL_ROLE))
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO control.tenant (id) VALUES ($1)", tenant)
                await conn.execute(_PLACE, tenant, _SHARD)
                await conn.execute("SELECT set_config('aeterna.tenant', $1, true)", tenant)
                await conn.execute(_STATE, tenant)
        finally:
            await conn.close()


@asynccontextmanager
async def open_stack() -> AsyncIterator[Stack]:
    """An empty installation in a temporary folder, gone at the end."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        postgres = await stack.enter_async_context(embedded_postgres(folder / "postgres"))
        await _prepare(postgres)
        issuer = await LocalIssuer.open(folder, LocalKms.open(folder / "keyring.json"))
        platform = _platform(postgres, folder)
        port, metrics_port = _free_port(), _free_port()
        server = ServerSettings(address=f"127.0.0.1:{port}", metrics_port=metrics_port)
        process = stack.enter_context(_service(platform, server, folder))
        await _ready(server.address, process, folder)
        yield Stack(folder, postgres, platform, issuer, server.address, metrics_port, process.pid)


@contextmanager
def _folder() -> Iterator[Path]:
    """Passable for the account that PostgreSQL runs under."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def _prepare(postgres: PostgresServer) -> None:
    superuser = await asyncpg.connect(postgres.dsn())
    await ensure_roles(superuser)
    await ensure_database(superuser, DATABASE)
    await superuser.close()
    superuser = await asyncpg.connect(postgres.dsn(DATABASE))
    await ensure_extension(superuser)
    await migrate_database(postgres.dsn(DATABASE), OWNER_ROLE)
    await superuser.execute(
        "INSERT INTO control.shard (id, dsn) VALUES ($1, $2)", _SHARD, _dsn(postgres)
    )
    await superuser.close()


def _dsn(postgres: PostgresServer) -> str:
    """Without a role: the settings name it."""
    return f"postgresql:///{DATABASE}?host={postgres.sockets}&port=5432"


def _platform(postgres: PostgresServer, folder: Path) -> PlatformSettings:
    return PlatformSettings(
        control=DatabaseSettings(dsn=_dsn(postgres), user=SERVICE_ROLE),
        auth=AuthSettings(local_issuer=folder),
        kms=KmsSettings(keyring=folder / "keyring.json"),
        wakeups=WakeupSettings(transport="postgres"),
    )


@contextmanager
def _service(
    platform: PlatformSettings, server: ServerSettings, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "MEMORY_PLATFORM": platform.model_dump_json(exclude_unset=True),
        "MEMORY_SERVER": server.model_dump_json(exclude_unset=True),
    }
    command = [sys.executable, "-m", "services.memory"]
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _ready(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS), grpc.aio.insecure_channel(address) as channel:
            await channel.channel_ready()
    except TimeoutError:
        ended = process.poll()
        log = (folder / "service.log").read_text()[-2000:]
        raise RuntimeError(f"the memory service did not start ({ended=}):\n{log}") from None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
