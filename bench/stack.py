"""The product as a newcomer starts it: `aeterna serve all` as a process, on an empty folder.

Its embedded PostgreSQL runs with fsync on, as always.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import grpc

from aeterna.governance.v1 import tenants_pb2, tenants_pb2_grpc
from bench.corpus import ROOT
from bench.processes import Meter, cpu_seconds, family
from cli.embedded import DATABASE
from cli.endpoints import Addresses, find
from cli.session import local_issuer
from libs.auth import LocalIssuer, Role
from libs.embedded.postgres import PostgresServer
from libs.tenancy import TenantId

_READY = re.compile(r"aeterna is ready: .* metrics (\S+)")
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A running suite."""

    folder: Path  # its data
    pid: int  # of the services; PostgreSQL is its child
    addresses: Addresses
    metrics: str  # host:port
    issuer: LocalIssuer

    def dsn(self, database: str = DATABASE) -> str:
        """Of the superuser: row-level security does not apply."""
        return PostgresServer(self.folder / "postgres/socket").dsn(database)

    @property
    def postgres_pid(self) -> int:
        """The process whose children serve the connections."""
        return int((self.folder / "postgres/data/postmaster.pid").read_text().split()[0])

    def meter(self) -> Meter:
        """Of what the services and PostgreSQL cost."""
        postgres = self.postgres_pid
        return Meter(
            service=partial(cpu_seconds, [self.pid]),
            postgres=lambda: cpu_seconds(family(postgres)),
        )

    @asynccontextmanager
    async def superuser(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for looking and for making what peers need."""
        connection = await asyncpg.connect(self.dsn())
        try:
            yield connection
        finally:
            await connection.close()

    def token(self, tenant: str, role: Role = Role.ADMIN) -> str:
        """A bearer token."""
        return self.issuer.mint(TenantId(tenant), "bench", [role])

    async def add_tenants(self, tenants: Iterable[str]) -> None:
        """Creates tenants as a platform administrator does."""
        token = self.token("platform", Role.PLATFORM_ADMIN)
        metadata = (("authorization", f"Bearer {token}"),)
        async with grpc.aio.insecure_channel(self.addresses.governance) as channel:
            stub = tenants_pb2_grpc.TenantServiceStub(channel)
            for tenant in tenants:
                request = tenants_pb2.CreateTenantRequest(tenant_id=tenant, request_id=str(uuid4()))
                await stub.CreateTenant(request, metadata=metadata)


@asynccontextmanager
async def open_stack(settings: Mapping[str, str] | None = None) -> AsyncIterator[Stack]:
    """A suite in a temporary folder, gone at the end; `settings` are environment variables."""
    with _folder() as folder, _serving(folder, settings or {}) as (process, metrics):
        issuer = await local_issuer(folder)
        yield Stack(folder, process.pid, find(folder), metrics, issuer)


@contextmanager
def _folder() -> Iterator[Path]:
    """Passable for the account that PostgreSQL runs under."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name, "data")


@contextmanager
def _serving(
    folder: Path, settings: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it serves, and where its metrics are."""
    command = [sys.executable, "-m", "cli.main", "serve", "all", "--data", str(folder)]
    command += ["--port", "0", "--metrics-port", "0"]
    path = folder.with_name("serve.log")
    with path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **settings},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout
        ready = _READY.search(process.stdout.readline())
        if not ready:
            raise RuntimeError(f"the suite did not start:\n{path.read_text()[-2000:]}")
        yield process, ready[1]
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
        if process.stdout:
            process.stdout.close()
