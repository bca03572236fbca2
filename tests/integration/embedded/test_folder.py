import os
import subprocess
import sys
from pathlib import Path

import pytest

from libs.embedded.errors import DataFolderInUse, DataFolderUnusable
from libs.embedded.folder import DataFolder
from libs.errors import Kind

HOLD = """
import signal, sys
from pathlib import Path
from libs.embedded.folder import DataFolder
with DataFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    signal.pause()
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_is_private_but_for_the_accounts_of_roots_servers(folder: Path) -> None:
    with DataFolder(folder / "a" / "b").lock() as path:
        assert mode(path) == (0o711 if os.geteuid() == 0 else 0o700)
        assert mode(path / "lock") == 0o600


def test_a_folder_that_holds_something_keeps_its_mode(folder: Path) -> None:
    (folder / "mine").touch()
    folder.chmod(0o755)

    with DataFolder(folder).lock():
        assert mode(folder) == 0o755


def test_a_second_holder_is_refused_and_learns_of_the_first(folder: Path) -> None:
    with DataFolder(folder).lock():
        with pytest.raises(DataFolderInUse) as refused, DataFolder(folder).lock():
            pass

        assert refused.value.kind is Kind.PRECONDITION
        assert refused.value.reason == "DATA_FOLDER_IN_USE"
        assert refused.value.metadata == {"folder": str(folder), "pid": str(os.getpid())}


def test_the_lock_ends_with_its_block(folder: Path) -> None:
    with DataFolder(folder).lock():
        pass

    with DataFolder(folder).lock() as path:
        assert (path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_dies_with_its_process(folder: Path) -> None:
    importing = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=importing) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataFolderInUse, match=f"process {holder.pid}:"):
            DataFolder(folder).lock().__enter__()
        holder.kill()

    with DataFolder(folder).lock():
        pass


def test_children_do_not_inherit_the_lock(folder: Path) -> None:
    with DataFolder(folder).lock():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)

    with child, DataFolder(folder).lock():
        child.kill()


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(DataFolderUnusable, match="--data"):
        DataFolder(folder / "file" / "below").lock().__enter__()
