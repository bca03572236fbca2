"""`aeterna document`: texts that several people write."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from asyncio import to_thread
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from aeterna.sync.v1 import documents_pb2 as pb
from cli.arguments import enum, name, text_or_input
from cli.command import command
from cli.options import Output, ScopeIds
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, plain
from libs.clients import ClientError, client_errors
from libs.errors import AppError, Kind
from libs.ot import Operation, transform
from libs.ot.clocks import Time, tick
from libs.ot.diff import diff

app = typer.Typer(help="Write together: notes and policies.", no_args_is_help=True)

_EDITOR = "vi"
_COMPACTED = "HISTORY_COMPACTED"


class DocumentKind(StrEnum):
    """What a document is."""

    NOTE = "note"
    POLICY = "policy"


class EditorFailed(AppError):
    """The editor ended with an error: the document is as it was."""

    kind, reason = Kind.CANCELLED, "EDITOR_FAILED"

    def __init__(self, editor: str, status: str) -> None:
        super().__init__(f"{editor} ended with {status}.", editor=editor, status=status)


Name = Annotated[str, typer.Argument(help="documents/{uuid}, or the uuid alone.")]
_CREATE = (
    'aeterna document create --title "On call" --team payments "Who is paged, and when."\n'
    "cat notes.md | aeterna document create - --title Notes"
)


@command(app, "create", role="developer", example=_CREATE)
async def create(
    session: Session,
    scope: ScopeIds,
    text: Annotated[str, typer.Argument(help="Markdown; - reads standard input.")] = "",
    title: Annotated[str, typer.Option(help="One line.", show_default=False)] = "",
    kind: Annotated[DocumentKind, typer.Option(help="What it is.")] = DocumentKind.NOTE,
) -> Shown:
    """Begin a document, of an organization, a team, a project or of everybody."""
    document = pb.Document(
        kind=pb.DocumentKind.ValueType(enum(pb.DocumentKind, kind)),
        scope=scope.message(),
        text=text_or_input(text),
        fields={"title": title} if title else {},
    )
    return await session.documents.CreateDocument(pb.CreateDocumentRequest(document=document))


@command(app, "list", role="developer")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List documents, newest first."""
    request = pb.ListDocumentsRequest()
    return await collect(session.documents.ListDocuments, request, "documents", limit)


@command(app, "show", role="developer", example="aeterna document show 0198... --version 12")
async def show(
    session: Session,
    document: Name,
    version: Annotated[
        int | None, typer.Option(min=0, help="An earlier one.", show_default="the newest")
    ] = None,
) -> Shown | None:
    """Print the text of a document, as it is or was; all that is known of it with --output json."""
    found = await _get(session, _document(document), version)
    if session.options.output is Output.JSON:
        return found
    print(plain(found.text))
    return None


@command(app, "edit", role="developer", example="EDITOR=nano aeterna document edit 0198...")
async def edit(
    session: Session,
    document: Name,
    title: Annotated[str, typer.Option(help="Only set the title.", show_default=False)] = "",
) -> Shown:
    """Change the text in your editor: $VISUAL, $EDITOR or vi.

    What others write in the meantime is merged with what you do. Should the server not take it,
    your text stays in a file that is named.
    """
    found = await _get(session, _document(document))
    if title:
        return await _write(session, found, title)
    draft = _draft(found)
    try:
        edited = await to_thread(_edited, draft)
        if not found.text.endswith("\n"):
            edited = edited.removesuffix("\n")  # editors put one at the end of a file
        if edited == found.text:
            draft.unlink()
            return "nothing was changed"
        done = await _merge(session, found, edited)
    except BaseException:
        if draft.exists():
            print(f"your text is in {draft}", file=sys.stderr)
        raise
    draft.unlink()
    return done


@command(app, "history", role="developer")
async def history(session: Session, document: Name, limit: Limit = 50) -> Shown:
    """Show who changed a document when, newest first."""
    request = pb.ListDocumentRevisionsRequest(name=_document(document))
    return await collect(session.documents.ListDocumentRevisions, request, "revisions", limit)


@command(app, "restore", role="developer", example="aeterna document restore 0198... 12")
async def restore(
    session: Session,
    document: Name,
    version: Annotated[int, typer.Argument(min=0, help="A version of its history.")],
) -> Shown:
    """Make the text what it was at a version; that can be undone, too."""
    request = pb.RestoreDocumentRequest(name=_document(document), version=version)
    return await session.documents.RestoreDocument(request)


@command(app, "undo", role="developer")
async def undo(
    session: Session,
    document: Name,
    redo: Annotated[bool, typer.Option("--redo", help="Make again what was undone.")] = False,
) -> Shown:
    """Take back your own latest edit, whatever others have written since."""
    name_ = _document(document)
    if redo:
        request = pb.RedoDocumentEditRequest(name=name_)
        return await session.documents.RedoDocumentEdit(request)
    undone = pb.UndoDocumentEditRequest(name=name_)
    return await session.documents.UndoDocumentEdit(undone)


@command(app, "save", role="developer")
async def save(session: Session, document: Name) -> Shown:
    """Write the text into its knowledge item: a draft, for review."""
    request = pb.SaveDocumentRequest(name=_document(document))
    saved = await session.documents.SaveDocument(request)
    if session.options.output is Output.JSON:
        return saved
    return f"version {saved.saved_version} is {saved.knowledge_item}"


@command(app, "delete", role="developer")
async def delete(session: Session, document: Name) -> Shown:
    """Delete a document with its history."""
    name_ = _document(document)
    await session.documents.DeleteDocument(pb.DeleteDocumentRequest(name=name_))
    return f"deleted {name_}"


async def _get(session: Session, name_: str, version: int | None = None) -> pb.Document:
    request = pb.GetDocumentRequest(name=name_, version=version)
    return await session.documents.GetDocument(request)


async def _write(session: Session, document: pb.Document, title: str) -> Shown:
    """Sets the title, as of now."""
    read = Time(document.fields_time, document.fields_counter)
    at = tick(read, time.time_ns() // 1_000_000)
    written = pb.FieldEdit(value=title, time=at.milliseconds, counter=at.counter)
    request = pb.EditDocumentRequest(
        name=document.name, base_version=document.version, fields={"title": written}
    )
    return await session.documents.EditDocument(request)


async def _merge(session: Session, before: pb.Document, edited: str) -> Shown:
    """Sends what was made of a document as it was; the server brings it past what came since."""
    operation = diff(before.text, edited)
    try:
        with client_errors():
            return await _send(session, before, operation)
    except ClientError as error:
        if error.reason != _COMPACTED:
            raise
    # What came since is known as a text only: what is alike in both is where others have not been.
    now = await _get(session, before.name)
    return await _send(session, now, transform(operation, diff(before.text, now.text), "right"))


async def _send(session: Session, base: pb.Document, operation: Operation) -> Shown:
    from libs.live.texts import operation_to  # brings much along

    request = pb.EditDocumentRequest(
        name=base.name,
        base_version=base.version,
        operation=operation_to(operation),
        request_id=str(uuid4()),
    )
    return await session.documents.EditDocument(request)


def _draft(document: pb.Document) -> Path:
    """The text in a file for an editor."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="aeterna-", suffix=".md", delete=False, encoding="utf-8", newline=""
    ) as file:
        file.write(document.text)
    return Path(file.name)


def _edited(draft: Path) -> str:
    """What the editor made of it.

    Raises:
        EditorFailed: As it says.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _EDITOR
    try:
        done = subprocess.run([*shlex.split(editor), draft])
    except OSError as error:
        raise EditorFailed(editor, error.strerror or type(error).__name__) from error
    if done.returncode:
        raise EditorFailed(editor, f"code {done.returncode}")
    with draft.open(encoding="utf-8", newline="") as file:
        return file.read()


def _document(text: str) -> str:
    return name("documents", text)
