"""What a kill -9 of the server, of its parent, or of both leaves to the next start."""

import os
import select
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from libs.embedded.accounts import account_for
from libs.embedded.binaries import postgres_binaries
from libs.embedded.postgres import embedded_postgres
from libs.embedded.processes import spawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")
WRITE = "CREATE TABLE kept AS SELECT 7 AS value"
SERVE = f"""
import asyncio, sys
from pathlib import Path
import asyncpg
from libs.embedded.postgres import embedded_postgres

async def main(folder):
    async with embedded_postgres(folder) as server:
        await (await asyncpg.connect(server.dsn())).execute("{WRITE}")
        print("written", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""
HALF_INITDB = """#!/bin/sh
echo 18 >"$2/PG_VERSION"
echo >{told}
exec sleep 60
"""


class Parent:
    """Another Python process with an embedded server, to be killed."""

    def __init__(self, folder: Path, **environ: str) -> None:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environ}
        command = [sys.executable, "-c", SERVE, str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ)

    def wait_until_written(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == b"written\n"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def is_readable(file: int) -> bool:
    """Waits for it, 20 s at most."""
    return bool(select.select([file], [], [], 20)[0])


async def written(folder: Path, *, then_kill: bool = False) -> None:
    async with embedded_postgres(folder) as server:
        conn = await asyncpg.connect(server.dsn())
        await conn.execute(WRITE)
        if then_kill:
            os.kill(postmaster(folder), signal.SIGKILL)
        conn.terminate()


async def holds_what_was_written(folder: Path) -> bool:
    async with embedded_postgres(folder, settings={"fsync": "off"}) as server:
        conn = await asyncpg.connect(server.dsn())
        found = await conn.fetchval("SELECT value FROM kept")
        await conn.close()
    return bool(found == 7)


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def orphan_on(folder: Path) -> subprocess.Popen[bytes]:
    """A server that answers, started past the launcher."""
    account = account_for(folder)
    command: list[str | Path] = [postgres_binaries(account) / "postgres", "-D", folder / "data"]
    command += ["-k", folder / "socket", "-c", "listen_addresses="]
    reader, writer = os.pipe()
    with open(reader, "rb") as log, open(writer, "wb") as output:
        orphan = spawn(command, output=output, folder=folder, account=account)
        output.close()
        assert any(b"ready to accept connections" in line for line in log)
    return orphan


def stranger_with_the_servers_pid(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "stranger.log").open("wb") as log:
        stranger = spawn(["sleep", "60"], output=log, folder=folder, account=account_for(folder))
    file = folder / "data" / "postmaster.pid"
    _, rest = file.read_text().split("\n", 1)
    file.write_text(f"{stranger.pid}\n{rest}")
    return stranger


def interruptible_programs(folder: Path) -> Path:
    """An initdb that leaves half a folder and says so to the FIFO `told`."""
    os.mkfifo(folder / "told")
    (folder / "told").chmod(0o666)
    for name, text in (("postgres", ""), ("initdb", HALF_INITDB.format(told=folder / "told"))):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


async def test_the_killed_servers_data_survive(folder: Path) -> None:
    await written(folder, then_kill=True)

    assert await holds_what_was_written(folder)


async def test_the_server_shuts_down_with_its_killed_parent(folder: Path) -> None:
    with closing(Parent(folder)) as parent:
        parent.wait_until_written()
        server = os.pidfd_open(postmaster(folder))
    assert is_readable(server)  # it has ended
    os.close(server)
    assert "database system is shut down" in (folder / "postgres.log").read_text()
    assert await holds_what_was_written(folder)


async def test_a_server_is_up_again_right_after_its_parent_was_killed(folder: Path) -> None:
    with closing(Parent(folder)) as parent:
        parent.wait_until_written()

    assert await holds_what_was_written(folder)


async def test_an_orphan_is_stopped_first(folder: Path) -> None:
    await written(folder)
    orphan = orphan_on(folder)

    assert await holds_what_was_written(folder)
    assert orphan.wait() == 0


async def test_a_stranger_that_got_the_dead_servers_pid_is_left_alone(folder: Path) -> None:
    await written(folder, then_kill=True)
    stranger = stranger_with_the_servers_pid(folder)

    assert await holds_what_was_written(folder)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


async def test_a_half_made_folder_is_not_taken_for_data(folder: Path) -> None:
    programs, target = interruptible_programs(folder), folder / "target"
    told = os.open(programs / "told", os.O_RDONLY | os.O_NONBLOCK)
    with closing(Parent(target, AETERNA_POSTGRES_BIN=str(programs))):
        assert is_readable(told)
    os.close(told)
    assert list(target.glob("initdb-*/PG_VERSION"))

    await written(target)
    assert not list(target.glob("initdb-*"))
