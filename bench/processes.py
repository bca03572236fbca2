"""What a process costs with its children: CPU time and memory, from Linux's /proc."""

import os
import re
import time
from collections.abc import Iterable, Iterator
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


def cpu_seconds(pid: int) -> float:
    """CPU time of the family so far, ended children included."""
    return sum(map(_cpu_seconds, family(pid)))


def pss_mib(pids: Iterable[int]) -> float:
    """Memory in MiB; what is shared between processes counts in proportion."""
    return sum(map(_pss_kib, pids)) / 1024


class Meter:
    """What operations cost this process, the client, and others, from one lap to the next."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._before = self._read()

    def lap(self, operations: int) -> dict[str, float]:
        """CPU milliseconds per operation since the last lap, by process."""
        before, self._before = self._before, self._read()
        return {
            name: (spent - before[name]) * 1000 / operations for name, spent in self._before.items()
        }

    def _read(self) -> dict[str, float]:
        others = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return {**others, "client": time.process_time()}


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
