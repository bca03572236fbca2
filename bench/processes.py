"""What a process costs with its children: CPU time and memory, from Linux's /proc."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_GONE = (FileNotFoundError, ProcessLookupError)


def family(pid: int) -> Iterator[int]:
    """The process and everything that descends from it."""
    yield pid
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        with suppress(*_GONE):
            for child in task.read_text().split():
                yield from family(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of these processes so far, that of their ended children included."""
    return sum(map(_cpu_seconds, pids))


def pss_mib(pids: Iterable[int]) -> float:
    """Memory in MiB; what is shared between processes counts in proportion."""
    return sum(map(_pss_kib, pids)) / 1024


class Meter:
    """What operations cost this process, the client, and others, from one lap to the next."""

    def __init__(self, **clocks: Callable[[], float]) -> None:
        """A clock gives the CPU seconds of others so far, under their name."""
        self._clocks = {**clocks, "client": time.process_time}
        self._begun, self._before = self._read()

    def lap(self, operations: int) -> dict[str, float]:
        """Since the last lap: CPU milliseconds per operation, and how many cores were busy."""
        (before, spent), (now, total) = (self._begun, self._before), self._read()
        self._begun, self._before = now, total
        each = {name: total[name] - spent[name] for name in total}
        costs = {f"{name}, ms": taken * 1000 / operations for name, taken in each.items()}
        return {**costs, "cores busy": sum(each.values()) / (now - before)}

    def _read(self) -> tuple[float, dict[str, float]]:
        return time.perf_counter(), {name: clock() for name, clock in self._clocks.items()}


def _cpu_seconds(pid: int) -> float:
    with suppress(*_GONE):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (
            sum(map(int, fields[11:15])) / _TICKS
        )  # utime, stime, and those of waited-for children
    return 0.0


def _pss_kib(pid: int) -> int:
    with suppress(*_GONE):
        found = _PSS.search((_PROC / str(pid) / "smaps_rollup").read_text())
        return int(found[1]) if found else 0
    return 0
