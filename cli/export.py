"""`aeterna export`: what a tenant keeps of a person, as files."""

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from aeterna.governance.v1 import export_pb2 as pb
from cli.arguments import name
from cli.command import command
from cli.operations import finished
from cli.session import Session
from cli.show import Shown
from libs.errors import AppError, Kind, invalid

app = typer.Typer(help="Give people what is known of them.", no_args_is_help=True)
_MANIFEST = "manifest.json"


class ChecksumWrong(AppError):
    """A file did not arrive as it was made."""

    kind, reason = Kind.UNAVAILABLE, "CHECKSUM_WRONG"

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} has another checksum than the manifest says.", file=file)


@command(app, "subject", example="aeterna --tenant acme export subject ann --to ann-export")
async def subject(
    session: Session,
    person: Annotated[str, typer.Argument(metavar="SUBJECT", help="The person's id.")],
    to: Annotated[Path, typer.Option(help="A folder that is empty or not there yet.")],
    keep: Annotated[
        bool, typer.Option(help="Leave the sealed files on the server for their time.")
    ] = False,
) -> Shown:
    """Gather, download and check the data of a person; docs/privacy.md describes the files."""
    if to.exists() and any(to.iterdir()):
        raise invalid("to", "must be empty or not there yet")
    operation = await session.exports.ExportSubject(pb.ExportSubjectRequest(subject=person))
    ended: Any = await finished(session, operation, session.governance_operations)
    response = pb.ExportSubjectResponse()
    ended.response.Unpack(response)
    await _download(session, response.export, to)
    if not keep:
        await session.exports.DeleteSubjectExport(
            pb.DeleteSubjectExportRequest(name=response.export)
        )
    lines = [f"{each.records:>8}  {each.name}" for each in response.files]
    return "\n".join([*lines, f"in {to}"])


@command(app, "download")
async def download(
    session: Session,
    export: Annotated[str, typer.Argument(help="subjectExports/{uuid}, or the uuid alone.")],
    to: Annotated[Path, typer.Option(help="A folder.")],
) -> Shown:
    """Download and check the files of an export again."""
    await _download(session, name("subjectExports", export), to)
    return f"in {to}"


@command(app, "delete")
async def delete(
    session: Session,
    export: Annotated[str, typer.Argument(help="subjectExports/{uuid}, or the uuid alone.")],
) -> Shown:
    """Delete the files of an export before their time."""
    request = pb.DeleteSubjectExportRequest(name=name("subjectExports", export))
    await session.exports.DeleteSubjectExport(request)
    return f"{request.name} is deleted."


async def _download(session: Session, export: str, folder: Path) -> None:
    """Raises ChecksumWrong."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - one user, one file at a time
    request = pb.DownloadSubjectExportRequest(name=export)
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        async for piece in session.exports.DownloadSubjectExport(request):
            if piece.file not in files:
                path = folder / Path(piece.file).name
                files[piece.file] = stack.enter_context(path.open("wb"))
            files[piece.file].write(piece.data)
    manifest = json.loads((folder / _MANIFEST).read_text())
    for each in manifest["files"]:
        digest = hashlib.sha256((folder / each["name"]).read_bytes()).hexdigest()
        if digest != each["sha256"]:
            raise ChecksumWrong(each["name"])
