"""Processes that spend from one budget, killed at random, and what they were promised."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.budget_worker import Task
from bench.corpus import ROOT


@dataclass
class Told:
    """What the processes said: milliseconds of reservations, and units that were settled."""

    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    settled: float = 0
    kills: int = 0
    heard: set[int] = field(default_factory=set)

    def hear(self, line: bytes) -> None:
        what, _, value = line.decode().strip().partition(" ")
        if not value or not line.endswith(b"\n"):
            return  # cut off by the kill
        match what:
            case "r":
                self.granted.append(float(value))
            case "n":
                self.refused.append(float(value))
            case "s":
                self.settled += float(value)


@dataclass
class Crowd:
    """As many processes as were asked for, whatever happens to them."""

    task: Task
    told: Told = field(default_factory=Told)
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    _listeners: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.budget_worker",
            self.task.to_json(),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes.append(process)
        self._listeners.append(asyncio.create_task(self._listen(process)))

    async def kill_one(self, rng: random.Random) -> None:
        """SIGKILL, and another in its place."""
        victim = self._processes.pop(rng.randrange(len(self._processes)))
        victim.kill()
        self.told.kills += 1
        await victim.wait()
        await self.start()

    async def ready(self) -> None:
        """Once every process has reserved something, or was refused."""
        while len(self.told.heard) < len(self._processes):  # noqa: ASYNC110 - lines come as they do
            await asyncio.sleep(0.05)

    async def exhausted(self) -> None:
        """Once there was no money for many of them."""
        while len(self.told.refused) < self.task.reservers:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)

    async def stop(self, *, kill: bool = False) -> None:
        """Lets all finish what they are at, or kills them."""
        for process in self._processes:
            if process.returncode is not None:
                continue
            if kill:
                process.kill()
            elif process.stdin:
                process.stdin.close()
        await asyncio.gather(*(each.wait() for each in self._processes), *self._listeners)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            self.told.hear(line)
            self.told.heard.add(process.pid)


@asynccontextmanager
async def open_crowd(task: Task, processes: int) -> AsyncIterator[Crowd]:
    """Spends while the block runs; what is left then is killed."""
    crowd = Crowd(task)
    for _ in range(processes):
        await crowd.start()
    try:
        yield crowd
    finally:
        await crowd.stop(kill=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share lies at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
