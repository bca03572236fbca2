"""A private PostgreSQL under one folder: created, started, waited for and stopped.

Reached through a Unix socket that only its account and root can open, hence without passwords.
Knows nothing of schemas. The caller must own the folder (`libs.embedded.folder`): a server that
runs on it already is taken for what a killed predecessor left behind.
"""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from libs.embedded.accounts import Account, account_for
from libs.embedded.binaries import postgres_binaries
from libs.embedded.errors import DataFolderUnusable, PostgresFailed
from libs.embedded.leftovers import end_leftovers
from libs.embedded.processes import run, spawn, stop

_PORT = 5432  # a part of the socket's name, nothing listens on it
_SOCKET_PATH_BYTES = 103  # with the closing zero, sun_path holds 108 on Linux, 104 on macOS
_START_SECONDS = 60  # a recovery after a crash replays at most max_wal_size
_POLL_SECONDS = 0.02

_DEFAULTS = {
    "wal_level": "logical",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "maintenance_work_mem": "128MB",  # vector indexes are built in it
    "max_wal_size": "512MB",
    "jit": "off",  # costs more than it saves on short queries
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Only the server's own events: a failed statement is its client's to report, and its
    # message may quote content.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class PostgresServer:
    """A running server, reached through the folder of its socket."""

    sockets: Path

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """For asyncpg or libpq. `postgres` is the superuser; every role may log in."""
        name, host = quote(database, safe=""), quote(str(self.sockets))
        return f"postgresql://{quote(user, safe='')}@/{name}?host={host}&port={_PORT}"


@asynccontextmanager
async def embedded_postgres(
    folder: Path, *, settings: Mapping[str, str] | None = None
) -> AsyncIterator[PostgresServer]:
    """Run a PostgreSQL on `folder`, which is its alone, for the length of the block.

    The first run creates the data. Called by root, the server runs as the folder's owner, or as
    `postgres` or `nobody`, who owns it from then on. On Linux it ends with the calling thread.

    Args:
        settings: PostgreSQL settings over the defaults; where it listens is fixed.
    Raises:
        PostgresFailed: it did not come up; names the log file.
        PostgresPathUnreachable: called by root, and the server's account cannot get there.
        PostgresBinariesMissing: there is no PostgreSQL to run.
        DataFolderUnusable: the folder cannot be created or written.
    """
    site = _prepare(folder)
    if not await end_leftovers(site.data):
        raise PostgresFailed("stopping the previous server", site.log)
    chosen = {**_DEFAULTS, **(settings or {})}
    await asyncio.to_thread(_ensure_data, site, durable=chosen.get("fsync") != "off")
    with _socket_folder(site) as sockets:
        server = PostgresServer(sockets)
        process = _start(site, {**chosen, **_listening(sockets)})
        try:
            await _ready(server, process, site.log)
            yield server
        finally:
            await stop(process)


@dataclass(frozen=True)
class _Site:
    """Where a server is, and who runs it (None: the caller)."""

    folder: Path
    account: Account | None
    binaries: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def hand_over(self, folder: Path) -> None:
        """Close `folder` to everyone but the server's account."""
        _hand_over(folder, self.account)


def _prepare(folder: Path) -> _Site:
    folder = folder.absolute()
    account = account_for(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if account:
            account.require_reach(folder.parent)
        _hand_over(folder, account)
    except OSError as error:
        raise DataFolderUnusable(folder, error) from error
    return _Site(folder, account, postgres_binaries(account))


def _hand_over(folder: Path, account: Account | None) -> None:
    if account:
        account.own(folder)
    else:
        folder.chmod(0o700)


def _ensure_data(site: _Site, *, durable: bool) -> None:
    """Data appear whole or not at all: initdb works beside them, a rename ends it."""
    for interrupted in site.folder.glob("initdb-*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    if (site.data / "PG_VERSION").exists():
        return
    fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=site.folder))
    site.hand_over(fresh)
    _initdb(site, fresh, [] if durable else ["--no-sync"])
    fresh.rename(site.data)


def _initdb(site: _Site, data: Path, options: list[str]) -> None:
    command: list[str | Path] = [site.binaries / "initdb", "-D", data, "-U", "postgres"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command += ["--encoding=UTF8", "--data-checksums"]
    command += ["--auth-local=trust", "--auth-host=reject", *options]
    with site.log.open("ab") as log:
        if run(command, output=log, folder=site.folder, account=site.account):
            raise PostgresFailed("creating the data", site.log)


@contextmanager
def _socket_folder(site: _Site) -> Iterator[Path]:
    """Beside the data, or in the temporary folder when that path is not fit for a socket."""
    usual = site.folder / "socket"
    if _fits(usual):
        shutil.rmtree(usual, ignore_errors=True)  # a killed server's lock could refuse the next
        usual.mkdir()
        site.hand_over(usual)
        yield usual
        return
    with tempfile.TemporaryDirectory(prefix="aeterna-") as name:
        if site.account:
            site.account.require_reach(Path(name).parent)
        site.hand_over(Path(name))
        yield Path(name)


def _fits(sockets: Path) -> bool:
    """Short enough, and free of what separates and quotes folders in the server's setting."""
    socket = str(sockets / f".s.PGSQL.{_PORT}")
    return len(socket.encode()) <= _SOCKET_PATH_BYTES and not set(socket) & {",", '"'}


def _listening(sockets: Path) -> dict[str, str]:
    return {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "port": str(_PORT),
    }


def _start(site: _Site, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command: list[str | Path] = [site.binaries / "postgres", "-D", site.data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with site.log.open("ab") as log:
        return spawn(command, output=log, folder=site.folder, account=site.account)


async def _ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _answers(server):
                if process.poll() is not None:
                    raise PostgresFailed("starting", log)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise PostgresFailed("starting in time", log) from error


async def _answers(server: PostgresServer) -> bool:
    try:
        connection = await asyncpg.connect(server.dsn())
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
