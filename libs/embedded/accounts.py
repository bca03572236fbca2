"""The operating system account that runs a server, and which folders it can reach.

PostgreSQL refuses to run as root. Knows nothing of PostgreSQL beyond that.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from libs.embedded.errors import PostgresPathUnreachable

_ROOT = 0
_PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user other than root, without supplementary groups."""

    name: str
    uid: int
    gid: int

    def require_reach(self, path: Path) -> None:
        """Check the execute permission of `path` and all its parents.

        Raises:
            PostgresPathUnreachable: names the outermost one that is closed to this account.
        """
        for part in _outermost_first(path):
            if not self._may_enter(part.stat()):
                raise PostgresPathUnreachable(path, part, self.name)

    def own(self, folder: Path) -> None:
        """Make `folder` this account's, and closed to everyone else."""
        os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def _may_enter(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def account_for(folder: Path) -> Account | None:
    """Who runs a server on `folder`: its owner, so that data keeps its account; else a usual one.

    None, when the caller is not root: a server runs as the caller then.
    """
    if os.geteuid() != _ROOT:
        return None
    if folder.exists() and (owner := folder.stat()).st_uid != _ROOT:
        return Account(str(owner.st_uid), owner.st_uid, owner.st_gid)
    return next(_preferred())


def _preferred() -> Iterator[Account]:
    for name in _PREFERRED:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Account(name, entry.pw_uid, entry.pw_gid)


def _outermost_first(path: Path) -> Iterator[Path]:
    real = path.resolve()
    yield from reversed(real.parents)
    yield real
