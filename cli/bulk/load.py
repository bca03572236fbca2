"""Stores the memories of a file in a tenant, block by block.

The lines of a block go through one stream of requests. What is not answered when a connection
ends, or with an error that may pass, is sent again with the same request id.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import grpc

from aeterna.memory.v1 import memory_pb2 as pb
from cli.bulk.bookmark import Bookmark, whose
from cli.bulk.ndjson import BadLine, Line
from cli.progress import progress
from cli.session import Session
from libs.clients.errors import ClientError, from_call, from_status
from libs.errors import AppError, Kind

_BLOCK = 500  # lines
_MAY_PASS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,  # by a server that stops
}
_ATTEMPTS = 15  # in a row without an answer: a minute
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between them


class LinesRefused(AppError):
    """Some lines were not stored; each was told of."""

    kind, reason = Kind.INVALID, "LINES_REFUSED"

    def __init__(self, refused: int, stored: int) -> None:
        message = f"{refused} lines were refused, {stored} memories are stored."
        super().__init__(message, refused=str(refused), stored=str(stored))


@dataclass
class _Tally:
    """What became of the lines so far."""

    stop: bool  # at the first refusal
    stored: int = 0
    refused: int = 0

    def refuse(self, line: Line, why: str) -> None:
        self.refused += 1
        print(f"line {line.number}: {why}", file=sys.stderr)

    @property
    def ending(self) -> bool:
        return self.stop and self.refused > 0


async def load(session: Session, path: Path | None, *, stop: bool) -> int:
    """How many memories are stored now of those in the file; `path`: None for standard input.

    Lines that are refused are told of on standard error; with `stop` the first ends it, though
    some of the lines after it may be stored.

    Raises:
        LinesRefused: Some were.
        ClientError: The service refuses the caller, or did not answer for too long.
    """
    tally = _Tally(stop)
    with _source(session, path) as source, progress("imported") as advance:
        tally.stored, tally.refused = source.stored, source.refused
        while not tally.ending and (block := list(islice(source.lines, _BLOCK))):
            await _settle(session, block, tally)
            source.settled(block[-1], tally)
            advance(block[-1].number, source.total)
    if tally.refused:
        raise LinesRefused(tally.refused, tally.stored)
    return tally.stored


async def _settle(session: Session, block: Sequence[Line], tally: _Tally) -> None:
    """Every line of the block is stored or refused when this returns."""
    waiting: list[tuple[Line, pb.CreateMemoryRequest]] = []
    for line in block:
        if tally.ending:
            break
        try:
            if line.text.strip():
                waiting.append((line, line.request()))
        except BadLine as error:
            tally.refuse(line, str(error))
    async for line, refusal in _answers(session, waiting):
        if refusal is None:
            tally.stored += 1
        else:
            tally.refuse(line, _explained(refusal))


async def _answers(
    session: Session, waiting: list[tuple[Line, pb.CreateMemoryRequest]]
) -> AsyncIterator[tuple[Line, ClientError | None]]:
    """Each line, with why it was refused; sends until every one is answered for good."""
    silent = 0
    while waiting:
        answered, error = await _sent(session, [request for _, request in waiting])
        for place, refusal in answered.items():
            yield waiting[place][0], refusal
        silent = 0 if answered else silent + 1
        if error and (not _may_pass(error) or silent >= _ATTEMPTS):
            raise error
        waiting = [each for place, each in enumerate(waiting) if place not in answered]
        if waiting:
            await asyncio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**silent))


async def _sent(
    session: Session, requests: Sequence[pb.CreateMemoryRequest]
) -> tuple[dict[int, ClientError | None], ClientError | None]:
    """The final answers by place, refusals or None; and an error that may or may not pass."""
    answered: dict[int, ClientError | None] = {}
    passing: ClientError | None = None
    try:
        async for answer in session.memory.StreamCreateMemories(iter(requests)):
            refusal = from_status(answer.error) if answer.HasField("error") else None
            if refusal and _may_pass(refusal):
                passing = refusal
            else:
                answered[answer.index] = refusal
    except grpc.aio.AioRpcError as error:
        passing = from_call(error)
    return answered, passing


def _may_pass(error: ClientError) -> bool:
    """Whether to send again: also when gRPC itself failed, as it does when a server is killed."""
    lost = error.code is grpc.StatusCode.INTERNAL and not error.reason
    return lost or error.code in _MAY_PASS


@dataclass
class _Source:
    """Where lines come from; `total` of them, 0 if that is not known."""

    lines: Iterator[Line]
    total: int = 0
    stored: int = 0  # by an earlier run that did not end
    refused: int = 0
    bookmark: Bookmark | None = None

    def settled(self, last: Line, tally: _Tally) -> None:
        """Marks that the lines up to this one need not be looked at again."""
        if self.bookmark and not tally.ending:
            mark = {"number": last.number, "end": last.end}
            self.bookmark.save(**mark, stored=tally.stored, refused=tally.refused)


@contextmanager
def _source(session: Session, path: Path | None) -> Iterator[_Source]:
    if path is None:
        yield _Source(_lines(sys.stdin.buffer, 0, 0))
        return
    with path.open("rb") as stream:
        status = path.stat()
        version = {"bytes": status.st_size, "at": status.st_mtime_ns}
        what = {"whose": whose(session.options), **version}
        bookmark = Bookmark(path.with_name(f"{path.name}.importing"), what)
        mark: dict[str, Any] = bookmark.load()
        total = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        stream.seek(mark.get("end", 0))
        lines = _lines(stream, mark.get("number", 0), mark.get("end", 0))
        yield _Source(lines, total, mark.get("stored", 0), mark.get("refused", 0), bookmark)
    bookmark.remove()


def _lines(stream: BinaryIO, number: int, end: int) -> Iterator[Line]:
    """The lines after `number`, which ends at the byte `end`."""
    for text in stream:
        number, end = number + 1, end + len(text)
        yield Line(number, text, end)


def _explained(refusal: ClientError) -> str:
    wrong = "; ".join(f"{each.field}: {each.description}" for each in refusal.violations)
    return wrong or f"{refusal.reason}: {refusal}"
