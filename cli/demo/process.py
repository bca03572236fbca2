"""The suite as a process of its own, as `aeterna serve all` starts it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.endpoints import SERVICES, Addresses, find

_COMMAND = ("-m", "cli.main", "serve", "all", "--port", "0", "--metrics-port", "0", "--data")
_START_SECONDS, _STOP_SECONDS = 120, 60


class SuiteFailed(Exception):
    """It did not start, or ended otherwise than with code 0."""

    def __init__(self, step: str, code: int, log: Path) -> None:
        super().__init__(f"The suite ended with code {code} while {step}. {_last_line(log)}")
        self.code = code if code > 0 else 1


@asynccontextmanager
async def suite_process(folder: Path, log: Path) -> AsyncIterator[Addresses]:
    """Runs the suite on `folder` for the block; `log` gets what it logs.

    Raises:
        SuiteFailed: As it says.
    """
    process = await _start(folder, log)
    try:
        await _ready(process, log)
        yield find(folder)
    except BaseException:
        await _stop(process)
        raise
    code = await _stop(process)
    if code:
        raise SuiteFailed("it was stopped", code, log)


async def _start(folder: Path, log: Path) -> Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, *_COMMAND, folder, stdout=PIPE, stderr=output, env=_environment()
        )


def _environment() -> dict[str, str]:
    """Without what would make the suite use other stores than its own."""
    prefixes = tuple(f"{name.upper()}_" for name in SERVICES)
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


async def _ready(process: Process, log: Path) -> None:
    """Returns at its first line; raises when it ends without one."""
    assert process.stdout
    async with asyncio.timeout(_START_SECONDS):
        if not await process.stdout.readline():
            raise SuiteFailed("it was starting", await process.wait(), log)


async def _stop(process: Process) -> int:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
