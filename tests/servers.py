"""Real servers for tests; the shared ones are started once per run, for all its workers.

PostgreSQL: `AETERNA_TEST_POSTGRES` (a superuser's DSN), else a container, else the embedded one.
Redis: `AETERNA_TEST_REDIS` (a URL), else a container, else a local redis-server.
Containers are of this version's own images (scripts/images), where an engine answers that has them.
"""

import asyncio
import os
import random
import re
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from importlib.metadata import version
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from testcontainers.community.redis import RedisContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from libs.embedded.postgres import PostgresServer, embedded_postgres
from libs.embedded.processes import spawn

_POSTGRES_IMAGE = f"aeterna-postgres-ha:{version('aeterna')}"
_REDIS_IMAGE = f"aeterna-redis:{version('aeterna')}"
_OLDEST_REDIS = 7  # major version
_REDIS_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
_INSTALL_REDIS = "apt-get update && apt-get install -y --no-install-recommends redis-server"
_ASK_SECONDS = 5
_PORTS = range(10_000, 30_000)
_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# PostgreSQL as it is, in an image that runs Patroni unless told otherwise.
_PLAIN_POSTGRES = """
echo postgres >/tmp/password
initdb --username=postgres --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \\
    --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --encoding=UTF8 --no-sync
echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
exec postgres "$@"
"""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields a superuser's DSN: a server with pgvector, wal_level=logical, 200 connections.

    Must be entered and left outside of a running event loop.
    """
    if dsn := os.environ.get("AETERNA_TEST_POSTGRES"):
        yield dsn
    elif _can_run_containers_of(_POSTGRES_IMAGE):
        with _postgres_container() as container:
            yield f"postgresql://postgres:postgres@{_address(container, 5432)}/postgres"
    else:
        # With a loop of its own making, the runner leaves the thread's current loop alone.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            server = stoppable_postgres()
            try:
                yield runner.run(server.__aenter__()).dsn()
            finally:
                runner.run(server.__aexit__(None, None, None))


class StoppablePostgres:
    """An embedded server that a test takes away and brings back: same address, same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = AsyncExitStack()
        self._server: PostgresServer | None = None

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """Also valid while the server is stopped."""
        assert self._server, "never started"
        return self._server.dsn(database, user)

    async def start(self) -> None:
        running = embedded_postgres(self._folder, settings=_UNSAFE)
        self._server = await self._running.enter_async_context(running)

    async def stop(self) -> None:
        """Cut every connection and end the server; nothing happens when it is stopped."""
        await self._running.aclose()


@asynccontextmanager
async def stoppable_postgres() -> AsyncIterator[StoppablePostgres]:
    """Yields a server of the test's own, started, on a folder that goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        server = StoppablePostgres(Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@contextmanager
def redis_server() -> Iterator[str]:
    """Yields the URL of an empty Redis 7 or newer."""
    if url := os.environ.get("AETERNA_TEST_REDIS"):
        yield url
    elif _can_run_containers_of(_REDIS_IMAGE):
        with _redis_container() as container:
            yield f"redis://{_address(container, 6379)}/0"
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield from _local_redis(redis_program(), Path(folder))


class StoppableRedis:
    """A local server of a test's own that is taken away and comes back empty: same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Also valid while the server is stopped."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._process = _start_redis(redis_program(), self._folder, self._port)
        answering(self.url)

    def stop(self) -> None:
        """Cuts every connection and forgets everything; nothing happens when it is stopped."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def stoppable_redis() -> Iterator[StoppableRedis]:
    """Yields a server of the test's own, started."""
    with tempfile.TemporaryDirectory() as folder:
        server = StoppableRedis(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _can_run_containers_of(image: str) -> bool:
    """Whether an engine answers that has the image, and a network; nothing is pulled.

    The engine that scripts/images starts to build with has none.
    """
    if not _has("image", testcontainers_config.ryuk_image):  # it cleans up after killed runs
        testcontainers_config.ryuk_disabled = True
    return _has("image", image) and _has("network", "bridge")


def _has(kind: str, name: str) -> bool:
    asked = ["docker", kind, "inspect", name]
    try:
        done = subprocess.run(asked, capture_output=True, timeout=_ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _postgres_container() -> DockerContainer:
    settings = {"listen_addresses": "*", "wal_level": "logical", "max_connections": "200"}
    options = [f"--{name}={value}" for name, value in {**settings, **_UNSAFE}.items()]
    container = DockerContainer(_POSTGRES_IMAGE).with_exposed_ports(5432)
    container.with_command(["sh", "-ec", _PLAIN_POSTGRES, "sh", *options])
    return container.waiting_for(ExecWaitStrategy(["pg_isready", "--host=127.0.0.1"]))


def _redis_container() -> RedisContainer:
    command = ["redis-server", "--protected-mode", "no", "--save", "", "--appendonly", "no"]
    return RedisContainer(_REDIS_IMAGE).with_command(command)


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def _local_redis(program: Path, folder: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    process = _start_redis(program, folder, port)
    try:
        yield answering(f"redis://127.0.0.1:{port}/0")
    finally:
        process.terminate()
        process.wait(10)


def _start_redis(program: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    command: list[str | Path] = [program, "--bind", "127.0.0.1", "--port", str(port)]
    command += ["--save", "", "--appendonly", "no"]
    with (folder / "log").open("ab") as log:
        return spawn(command, output=log, folder=folder)


def answering(url: str) -> str:
    """The URL of a Redis, once it answers."""
    patient = Retry(ConstantBackoff(0.02), retries=500)
    with redis.Redis.from_url(url, retry=patient) as client:
        client.ping()
    return url


def free_ports(count: int) -> list[int]:
    """One after the other. Nobody listens there, and the system gives them to no connection: so a
    server that was stopped finds its own again."""
    while True:
        first = random.randrange(_PORTS.start, _PORTS.stop - count)
        ports = list(range(first, first + count))
        with ExitStack() as stack, suppress(OSError):
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports


def redis_program() -> Path:
    """The first that is new enough: packages may put an old one in front on the PATH."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_REDIS_FOLDERS]
    programs = (Path(folder, "redis-server") for folder in folders if folder)
    for program in programs:
        if program.is_file() and _major_version(program) >= _OLDEST_REDIS:
            return program
    raise RuntimeError(f"No redis-server {_OLDEST_REDIS} or newer; install it: {_INSTALL_REDIS}")


def _major_version(redis_program: Path) -> int:
    shown = subprocess.run([redis_program, "--version"], capture_output=True, text=True, timeout=5)
    found = re.search(r"v=(\d+)", shown.stdout)
    return int(found[1]) if found else 0
