"""The whole suite on one data folder: a private PostgreSQL, keys, a local issuer, the services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from cli.endpoints import Addresses, published
from cli.schema import migrate_database
from cli.session import KEYRING
from libs.auth import AuthSettings, LocalIssuer
from libs.embedded.folder import DataFolder
from libs.embedded.postgres import PostgresServer, embedded_postgres
from libs.encryption.kms_local import LocalKms
from libs.encryption.settings import KmsSettings
from libs.postgres import CONTROL_ROLE, DatabaseSettings
from libs.postgres.bootstrap import OWNER_ROLE, ensure_database, ensure_extension, ensure_roles
from libs.service.settings import PlatformSettings
from libs.usage.prices import PriceSettings
from libs.wakeups.settings import WakeupSettings

DATABASE = "aeterna"
SHARD = "local"
# The socket's folder may be another at each start.
_PRICES = "prices.yaml"  # in the data folder; the built-in table where there is none
_REGISTER = """
    INSERT INTO control.shard (id, dsn) VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET dsn = excluded.dsn WHERE shard.dsn <> excluded.dsn
"""


@asynccontextmanager
async def open_embedded(folder: Path, wanted: Addresses) -> AsyncIterator[Addresses]:
    """Serves everything on `folder` while the block runs; gives the addresses with real ports.

    Each step can be repeated: a process that was killed at any of them is followed by one that
    goes on from there.

    Raises:
        DataFolderInUse: Another process serves it.
        DataFolderUnusable, PostgresFailed, PostgresBinariesMissing, AddressInUse: As they say.
    """
    async with open_stores(folder) as stores:
        await _register(stores.postgres)
        settings = await _platform(stores)
        from cli.suite import running_suite  # the services: not for those who find no folder

        async with running_suite(settings, wanted) as addresses:
            with published(stores.folder, addresses):
                yield addresses


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in a data folder; `migrated` is how many migrations ran when it was opened."""

    folder: Path
    postgres: PostgresServer
    migrated: int


@asynccontextmanager
async def open_stores(folder: Path) -> AsyncIterator[Stores]:
    """The folder's own PostgreSQL, migrated; the folder is this process's for the block."""
    with DataFolder(folder).lock() as path:
        async with embedded_postgres(path / "postgres") as server:
            await _bootstrap(server)
            dsn = server.dsn(DATABASE, OWNER_ROLE)
            yield Stores(path, server, await migrate_database(dsn, OWNER_ROLE))


async def _bootstrap(server: PostgresServer) -> None:
    async with _connected(server.dsn()) as superuser:
        await ensure_roles(superuser)
        await ensure_database(superuser, DATABASE)
    async with _connected(server.dsn(DATABASE)) as superuser:
        await ensure_extension(superuser)


async def _register(server: PostgresServer) -> None:
    async with _connected(server.dsn(DATABASE, CONTROL_ROLE)) as control:
        await control.execute(_REGISTER, SHARD, _dsn(server))


async def _platform(stores: Stores) -> PlatformSettings:
    """Settings of everything that the services share; keys are made at the first start."""
    keyring, prices = stores.folder / KEYRING, stores.folder / _PRICES
    await LocalIssuer.open(stores.folder, LocalKms.open(keyring))
    return PlatformSettings(
        control=DatabaseSettings(dsn=_dsn(stores.postgres)),
        auth=AuthSettings(local_issuer=stores.folder),
        kms=KmsSettings(keyring=keyring),
        wakeups=WakeupSettings(transport="none"),
        prices=PriceSettings(file=prices if prices.exists() else None),
    )


def _dsn(server: PostgresServer) -> str:
    """Without a role: each pool names its own."""
    return server.dsn(DATABASE).replace("postgres@", "", 1)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
