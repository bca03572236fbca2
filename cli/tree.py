"""The files of a project, as a change set has them."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from aeterna.governance.v1 import constraints_pb2 as pb
from libs.errors import invalid

_LARGEST = 2**20  # bytes of a file that is read; of larger ones the path counts alone
_MOST = 3 * 2**20  # bytes of all together: what a request may hold, with room
_LEFT_OUT = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})


def change_set(paths: Sequence[Path], root: Path, *, partial: bool) -> pb.ChangeSet:
    """Files and folders below `root`; in a git work tree, what git does not ignore.

    Raises:
        InvalidRequest: A path is not there or not below `root`, or they are too large together.
    """
    changes = pb.ChangeSet(derive=True, partial=partial)
    for name, file in sorted(_named(paths, root.resolve())):
        content = _text(file)
        changes.files.append(pb.SourceFile(path=name, content=content))
    if changes.ByteSize() > _MOST:
        message = f"hold {changes.ByteSize()} bytes, at most {_MOST} at once: give fewer"
        raise invalid("paths", message)
    return changes


def _named(paths: Sequence[Path], root: Path) -> set[tuple[str, Path]]:
    return {(_name(file, root), file) for path in paths for file in _files(path)}


def _name(file: Path, root: Path) -> str:
    try:
        return file.resolve().relative_to(root).as_posix()
    except ValueError:
        raise invalid("paths", f"{file} is not below {root}") from None


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from _tracked(path) or _walked(path)
    else:
        raise invalid("paths", f"there is no {path}")


def _tracked(folder: Path) -> list[Path]:
    """What git knows or would add; nothing outside of a work tree."""
    listing = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(["git", "-C", str(folder), *listing], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    names = sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    return [file for name in names if (file := folder / name).is_file()]


def _walked(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in _LEFT_OUT)
        yield from (Path(at) / name for name in sorted(files))


def _text(file: Path) -> str | None:
    """None for what is no text, or too large."""
    if file.stat().st_size > _LARGEST:
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
