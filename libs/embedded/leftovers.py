"""Ends what a killed predecessor left running on a PostgreSQL data folder.

The caller must own the folder: nothing here asks whether somebody still wants that server.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from libs.embedded.processes import processes_in

_STEPS = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))  # seconds to wait
_POLL_SECONDS = 0.02


async def end_leftovers(data: Path) -> bool:
    """End a whole server on `data`, or children that outlived theirs; False: one would not go.

    Works where /proc is; elsewhere PostgreSQL's own lock file refuses the second server.
    """
    for request, seconds in _STEPS:
        _signal(data, request)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _nobody_left(data)
            _disarm(data / "postmaster.pid")
            return True
    return False


def _signal(data: Path, request: signal.Signals) -> None:
    """The first process ends its children; alone they may misread what is meant for it."""
    left = _left(data)
    for pid in left if request is signal.SIGKILL else left & {_pid_in(data / "postmaster.pid")}:
        with suppress(ProcessLookupError):
            os.kill(pid, request)


async def _nobody_left(data: Path) -> None:
    while _left(data):  # noqa: ASYNC110 - not our children, so their end is no event here
        await asyncio.sleep(_POLL_SECONDS)


def _left(data: Path) -> set[int]:
    return processes_in(data, program="postgres")


def _pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _disarm(file: Path) -> None:
    """Let a stranger that got the dead server's pid not pass for that server.

    PostgreSQL takes its own parent's pid for stale, and still checks the shared memory that the
    rest of the file names; without the file it would not.
    """
    pid = _pid_in(file)
    if pid and Path("/proc", str(pid)).exists():
        rest = file.read_text().split("\n", 1)[1]
        file.write_text(f"{os.getpid()}\n{rest}")
