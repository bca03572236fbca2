"""Replicas of the sync service as processes of their own, on a test's stores."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from libs.auth import LocalIssuer
from libs.encryption.kms_local import LocalKms
from libs.postgres import SERVICE_ROLE
from tests.crash.server import START_SECONDS
from tests.databases import PASSWORD, Database
from tests.servers import free_ports


@dataclass(frozen=True)
class ReplicaProcess:
    """One replica; a test may kill it."""

    process: asyncio.subprocess.Process
    channel: grpc.aio.Channel
    issuer: LocalIssuer

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def sync_replica(
    database: Database, folder: Path, redis_url: str, settings: Mapping[str, str]
) -> AsyncIterator[ReplicaProcess]:
    """Serves until it is killed or the block ends. `settings`: SYNC_... without that."""
    issuer = await LocalIssuer.open(folder, LocalKms.open(folder / "keyring.json"))
    port, web, metrics = free_ports(3)
    own = {
        "PLATFORM__CONTROL__DSN": database.dsn,
        "PLATFORM__CONTROL__USER": SERVICE_ROLE,
        "PLATFORM__CONTROL__PASSWORD": PASSWORD,
        "PLATFORM__AUTH__LOCAL_ISSUER": str(folder),
        "PLATFORM__KMS__KEYRING": str(folder / "keyring.json"),
        "PLATFORM__WAKEUPS__TRANSPORT": "redis",
        "PLATFORM__WAKEUPS__REDIS_URL": redis_url,
        "PLATFORM__LOG_LEVEL": "error",
        "SERVER__ADDRESS": f"127.0.0.1:{port}",
        "WEB__ADDRESS": f"127.0.0.1:{web}",
        "SERVER__METRICS_PORT": str(metrics),
        **settings,
    }
    environment = {f"SYNC_{name}": value for name, value in own.items()}
    command = (sys.executable, "-m", "cli.main", "serve", "sync")
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            async with asyncio.timeout(START_SECONDS):
                await channel.channel_ready()
            yield ReplicaProcess(process, channel, issuer)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
