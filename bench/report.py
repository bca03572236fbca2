"""What a benchmark found: as JSON for programs, as Markdown tables for people."""

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.corpus import ROOT
from bench.measure import Spread

RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("asyncpg", "cryptography", "grpcio", "numpy", "protobuf", "uvloop")
BOUND = (
    "CPU rows are of one round. Cores busy: near all of them, CPU bounds the rate; fewer, waiting"
    " does (for a commit, a lock, or the other processes of the machine)."
)

Cell = str | float | Spread
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Section:
    """A table; every row has the same columns."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    """One benchmark's findings. `facts` say what was done and what bounds the figures."""

    name: str
    title: str
    sections: Sequence[Section]
    facts: Sequence[str] = ()
    summary: Mapping[str, float] | None = None  # for programs: printed last, on one line

    def write(self, machine: Mapping[str, str], *, suffix: str = "") -> str:
        """Writes NAME.json and NAME.md in RESULTS over what is there; returns the Markdown."""
        RESULTS.mkdir(exist_ok=True)
        document = {**asdict(self), "machine": machine}
        (RESULTS / f"{self.name}{suffix}.json").write_text(json.dumps(document, indent=2) + "\n")
        text = self._markdown(machine)
        (RESULTS / f"{self.name}{suffix}.md").write_text(text)
        return text

    def _markdown(self, machine: Mapping[str, str]) -> str:
        """Tables, then facts, then the machine."""
        parts = [f"# {self.title}"]
        parts += [f"## {each.title}\n\n{_table(each.rows)}" for each in self.sections]
        parts.append("\n".join(f"- {fact}" for fact in self.facts))
        parts.append("; ".join(f"{name} {value}" for name, value in machine.items()))
        return "\n\n".join(part for part in parts if part) + "\n"


def machine() -> dict[str, str]:
    """What the figures depend on; call it before a run, or the load is the run's own."""
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": str(os.cpu_count()),
        "cpu": _cpu(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "fsync": f"{_fsync_milliseconds():.2f} ms",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **packages,
    }


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Cell) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes" if git("status", "--porcelain") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def _fsync_milliseconds() -> float:
    """Median time to make 8 KiB durable where the databases are: what a commit waits for."""
    with tempfile.TemporaryFile() as file:
        taken = []
        for _ in range(20):
            begun = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return median(taken) * 1000
