"""The folder that holds everything a single machine stores, and the lock that gives it one owner.

Knows nothing of what is kept inside.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.embedded.errors import DataFolderInUse, DataFolderUnusable


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """`AETERNA_DATA`, else /var/lib/aeterna for root, else `aeterna` in the XDG data folder."""
    if chosen := environ.get("AETERNA_DATA"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/aeterna")
    shared = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(shared) / "aeterna"


@dataclass(frozen=True)
class DataFolder:
    """A folder of the caller's, made on first use."""

    path: Path

    @contextmanager
    def lock(self) -> Iterator[Path]:
        """Own the folder until the end of the block or of the process, whichever comes first.

        Yields:
            The folder's absolute path.
        Raises:
            DataFolderInUse: another process, or another block of this one, owns it.
            DataFolderUnusable: it cannot be created or written.
        """
        path = self.path.absolute()
        file = _opened(path)
        try:
            _acquire(file, path)
            yield path
        finally:
            os.close(file)


def _opened(path: Path) -> int:
    try:
        _create(path)
        return os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataFolderUnusable(path, error) from error


def _create(path: Path) -> None:
    """An empty folder becomes private; one that holds something already keeps its mode."""
    path.mkdir(parents=True, exist_ok=True)
    if not any(path.iterdir()):
        # A server of root's runs under another account and must pass through to its own folder.
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _acquire(file: int, path: Path) -> None:
    """flock(2): the kernel lets go when the process dies, however it does; the file stays."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.read(file, 32).decode().strip()
        raise DataFolderInUse(path, pid or "unknown") from error
    os.ftruncate(file, 0)
    os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
