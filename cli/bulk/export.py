"""Writes the memories of a tenant to a file, page by page."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from aeterna.memory.v1 import memory_pb2 as pb
from cli.bulk.bookmark import Bookmark, whose
from cli.bulk.ndjson import to_line
from cli.progress import progress
from cli.session import Session
from libs.errors import AppError, Kind

_PAGE = 200


class FileExists(AppError):
    """There is something in the file already."""

    kind, reason = Kind.ALREADY_EXISTS, "FILE_EXISTS"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists; choose another, or --overwrite.", path=str(path))


@dataclass
class _Target:
    """Where lines go, and where the next page begins."""

    stream: BinaryIO
    bookmark: Bookmark | None
    token: str = ""
    count: int = 0

    def write(self, page: Any) -> None:
        """Keeps a page, and then that it is kept."""
        self.stream.writelines(map(to_line, page.memories))
        self.stream.flush()
        self.token, self.count = page.next_page_token, self.count + len(page.memories)
        if self.bookmark:
            os.fsync(self.stream.fileno())
            size = self.stream.tell()
            self.bookmark.save(token=self.token, count=self.count, size=size)


async def export(session: Session, path: Path | None, filter: str, *, overwrite: bool) -> int:
    """How many memories were written, newest first; `path`: None for standard output.

    Raises:
        FileExists: It is not what an earlier run of the same export left.
    """
    what = {"whose": whose(session.options), "filter": filter}
    with _target(path, what, overwrite=overwrite) as target, progress("exported") as advance:
        while True:
            request = pb.ListMemoriesRequest(
                filter=filter, page_size=_PAGE, page_token=target.token
            )
            target.write(await session.memory.ListMemories(request))
            advance(target.count, 0)
            if not target.token:
                return target.count


@contextmanager
def _target(path: Path | None, what: dict[str, Any], *, overwrite: bool) -> Iterator[_Target]:
    if path is None:
        yield _Target(sys.stdout.buffer, None)
        return
    bookmark = Bookmark(path.with_name(f"{path.name}.exporting"), what)
    mark: dict[str, Any] = {} if overwrite else bookmark.load()
    if path.exists() and not mark and not overwrite:
        raise FileExists(path)
    with path.open("r+b" if mark and path.exists() else "wb") as stream:
        stream.truncate(mark.get("size", 0))
        stream.seek(0, os.SEEK_END)
        yield _Target(stream, bookmark, mark.get("token", ""), mark.get("count", 0))
    bookmark.remove()
