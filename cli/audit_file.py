"""Copies of an audit trail as files: written, checked without a server, used as archives."""

import sys
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer
from google.protobuf.message import Message

from aeterna.governance.v1 import audit_pb2 as pb
from cli.bulk.export import FileExists
from cli.exits import Exit
from cli.options import Options
from cli.session import Session
from cli.show import Shown, show
from libs.audit.export import Checked, check, entry_hash
from libs.errors import AppError, Kind, invalid
from libs.signing import PUBLIC_KEY_BYTES


class CopyBroken(AppError):
    """Nothing is pruned on the strength of a copy that is not intact, or does not go so far."""

    kind, reason = Kind.PRECONDITION, "COPY_BROKEN"

    def __init__(self, number: int) -> None:
        super().__init__(f"The copy does not prove entry {number}.", number=str(number))


async def copy(
    session: Session, request: pb.ExportAuditTrailRequest, path: Path, *, overwrite: bool
) -> int:
    """Writes the lines of an export; how many bytes. `path`: - for standard output.

    Raises:
        FileExists: There is something in the file already.
    """
    size = 0
    stream = session.audit.ExportAuditTrail(request)
    with _target(path, overwrite=overwrite) as target:
        async for part in stream:
            size += target.write(part.lines)
    return size


def verified_offline(options: Options, file: Path | None, key: list[str] | None) -> Shown | None:
    """The verdict on a file; None when none is named."""
    if file is None:
        return None
    return judged(_message(_checked(file, [_key(each) for each in key or ()])), options)


def judged(verdict: Message, options: Options) -> Shown:
    """The verdict, if the trail is intact; else shows it and ends with exit code 1."""
    if not getattr(verdict, "intact"):  # noqa: B009 - Message has no such attribute
        show(verdict, options.output)
        raise typer.Exit(Exit.UNEXPECTED)
    return verdict


def archived(path: Path, until: int) -> tuple[int, bytes]:
    """The number up to which the copy proves entries, `until` or its end, and that entry's hash.

    Raises:
        CopyBroken, NotAnExport: It does not.
    """
    checked = _checked(path, [])
    number = until or checked.extent.until
    if not checked.verdict.intact:
        raise CopyBroken(checked.verdict.broken_at)
    with path.open("rb") as lines:
        digest = entry_hash(lines, number)
    if digest is None:
        raise CopyBroken(number)
    return number, digest


@contextmanager
def _target(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    if path.exists() and not overwrite:
        raise FileExists(path)
    with path.open("wb") as stream:
        yield stream


def _checked(path: Path, keys: list[bytes]) -> Checked:
    try:
        with path.open("rb") as lines:
            return check(lines, keys)
    except OSError as exc:
        raise invalid("file", f"cannot be read: {exc.strerror}") from exc


def _key(text: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except Error:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise invalid("key", "must be 32 bytes in base64, as aeterna audit keys shows them")
    return key


def _message(checked: Checked) -> pb.VerifyAuditTrailResponse:
    verdict = checked.verdict
    fault = verdict.fault.name if verdict.fault else "UNSPECIFIED"
    return pb.VerifyAuditTrailResponse(
        intact=verdict.intact,
        checked=verdict.checked,
        head=verdict.head,
        broken_at=verdict.broken_at,
        fault=pb.AuditFault.Value(f"AUDIT_FAULT_{fault}"),
        proved=verdict.proved,
        pruned=checked.extent.since,
    )
