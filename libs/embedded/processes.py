"""Child servers: started under an account, ended with their parent, stopped with patience.

Knows signals and /proc, not what the servers do.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from libs.embedded.accounts import Account

_PR_SET_PDEATHSIG = 1
_C_LIBRARY = ctypes.CDLL(None)  # loaded before the fork: nothing may be loaded between it and exec
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
    return subprocess.Popen(
        command,
        cwd=folder,
        env=_CLEAN,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=() if account else None,
        preexec_fn=partial(_end_with, os.getpid()) if sys.platform == "linux" else None,
    )


def run(
    command: Sequence[str | Path], *, output: IO[bytes], folder: Path, account: Account | None
) -> int:
    """Run a child to its end, blocking; returns its exit code."""
    return spawn(command, output=output, folder=folder, account=account).wait()


def _end_with(parent: int) -> None:
    """Runs in the child, after the change of user, which would clear the setting; see prctl(2)."""
    _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


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
