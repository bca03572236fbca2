import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.embedded.processes import processes_in, run, spawn, stop

PYTHON = Path(sys.executable).resolve().name
PROGRAM = """
import signal, sys
for number in (signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, getattr(signal, sys.argv[1]))
print("ready", flush=True)
signal.pause()
"""


def start(folder: Path, reaction: str) -> subprocess.Popen[bytes]:
    """A child that takes the polite signals as `reaction` says."""
    reader, writer = os.pipe()
    with open(reader, "rb") as ready, open(writer, "wb") as output:
        child = spawn([sys.executable, "-c", PROGRAM, reaction], output=output, folder=folder)
        output.close()
        assert ready.readline() == b"ready\n"
    return child


async def test_stop_asks_first(tmp_path: Path) -> None:
    child = start(tmp_path, "SIG_DFL")

    await stop(child)

    assert child.returncode == -signal.SIGINT


async def test_stop_ends_a_child_that_does_not_listen(tmp_path: Path) -> None:
    child = start(tmp_path, "SIG_IGN")

    await stop(child, patience=(0.1, 0.1))

    assert child.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_processes_are_found_by_program_and_folder(tmp_path: Path) -> None:
    child = start(tmp_path, "SIG_DFL")

    assert processes_in(tmp_path, program=PYTHON) == {child.pid}
    assert processes_in(tmp_path, program="postgres") == set()
    assert processes_in(tmp_path.parent, program=PYTHON) == set()

    await stop(child)
    assert processes_in(tmp_path, program=PYTHON) == set()


def test_a_child_gets_none_of_the_callers_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETERNA_SECRET", "s3cret")
    with (tmp_path / "output").open("w+b") as output:
        code = run(["/usr/bin/env"], output=output, folder=tmp_path, account=None)
        output.seek(0)
        shown = output.read()

    assert code == 0
    assert b"PATH=" in shown
    assert b"AETERNA_SECRET" not in shown
