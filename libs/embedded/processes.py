"""Child servers: started under an account, ended with their parent, stopped with patience.

Knows signals and /proc, not what the servers do.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from libs.embedded.accounts import Account

_SETPRIV = shutil.which("setpriv")  # of util-linux: on every Linux but the smallest
_UNLESS_ORPHANED = ("/bin/sh", "-c", 'test "$PPID" = "$0" && exec "$@"')
_CLEAN = {"PATH": os.defpath, "LC_ALL": "C"}  # not the caller's secrets, nor its PG* variables
_PROC = Path("/proc")


def spawn(
    command: Sequence[str | Path],
    *,
    output: IO[bytes],
    folder: Path,
    account: Account | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in `folder`, out of reach of the terminal's Ctrl-C.

    On Linux it gets SIGINT when the calling *thread* ends, so call it from one that lives as
    long as the child should: the event loop's, not a worker's.
    """
    direct = account if _SETPRIV is None else None
    return subprocess.Popen(
        [*_beginning(account), *command],
        cwd=folder,
        env=_CLEAN,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=direct.uid if direct else None,
        group=direct.gid if direct else None,
        extra_groups=() if direct else None,
    )


def run(
    command: Sequence[str | Path], *, output: IO[bytes], folder: Path, account: Account | None
) -> int:
    """Run a child to its end, blocking; returns its exit code."""
    return spawn(command, output=output, folder=folder, account=account).wait()


def _beginning(account: Account | None) -> Sequence[str]:
    """What a command is to begin with; see PR_SET_PDEATHSIG in prctl(2).

    The child changes its account and sets that itself. If it had to between fork and exec, the
    parent's memory would be forked, with handlers that libraries have for that: those of gRPC end
    the child with a segmentation fault when its threads are at work.
    """
    if _SETPRIV is None:
        return ()
    ids = ("--reuid", str(account.uid), "--regid", str(account.gid)) if account else ()
    groups = ("--clear-groups",) if account else ()
    ending = ("--pdeathsig", "INT", *_UNLESS_ORPHANED, str(os.getpid()))
    return (_SETPRIV, *ids, *groups, *ending)


async def stop(child: subprocess.Popen[bytes], *, patience: Sequence[float] = (30, 10)) -> None:
    """Ask with SIGINT, insist with SIGQUIT, end with SIGKILL; returns when the child is gone.

    Args:
        patience: Seconds to wait after SIGINT and after SIGQUIT.
    """
    for request, seconds in zip((signal.SIGINT, signal.SIGQUIT), patience, strict=True):
        child.send_signal(request)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(child.wait, seconds)
            return
    child.kill()
    await asyncio.to_thread(child.wait)


def processes_in(folder: Path, *, program: str) -> set[int]:
    """Ids of the living processes of `program` whose working folder is `folder`.

    Sees the caller's own processes, root all. Needs /proc: finds nothing on other systems.
    """
    return {int(entry.name) for entry in _PROC.glob("[0-9]*") if _runs(entry, program, folder)}


def _runs(process: Path, program: str, folder: Path) -> bool:
    try:  # gone meanwhile, a zombie, or another user's
        executable = (process / "exe").readlink().name.removesuffix(" (deleted)")
        return executable == program and (process / "cwd").samefile(folder)
    except OSError:
        return False
