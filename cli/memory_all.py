"""`aeterna memory export|import|reindex|invalidate-embeddings`: what is done with all memories."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message

from aeterna.memory.v1 import maintenance_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from cli.bulk.export import export
from cli.bulk.load import load
from cli.command import command
from cli.operations import finished
from cli.session import Session
from cli.show import Shown

app = typer.Typer()


@command(app, "reindex", example="aeterna memory reindex --no-wait")
async def reindex(
    session: Session,
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = True,
) -> Shown:
    """Make the indexes of all memories anew; searches and changes go on meanwhile."""
    request = maintenance_pb2.ReindexMemoriesRequest()
    operation: Message = await session.memory_maintenance.ReindexMemories(request)
    return await finished(session, operation) if wait else operation


@command(app, "invalidate-embeddings", example="aeterna memory invalidate-embeddings --user ann")
async def invalidate_embeddings(
    session: Session,
    user: Annotated[
        str, typer.Option(help="Only of texts about this user.", show_default="everyone")
    ] = "",
    model: Annotated[str, typer.Option(help="Only of this model.", show_default="every one")] = "",
) -> Shown:
    """Make cached embeddings unusable at once; needs an administrator.

    Nothing is lost: texts are embedded again when they are next needed.
    """
    request = pb.InvalidateEmbeddingsRequest(user_id=user, model=model)
    return await session.memory.InvalidateEmbeddings(request)


@command(app, "export", example="aeterna memory export memories.ndjson")
async def export_(
    session: Session,
    file: Annotated[Path, typer.Argument(help="Where to; - is standard output.")],
    filter: Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> Shown | None:
    """Write memories to a file, newest first, one JSON object a line.

    When it was interrupted the same command goes on where it ended.
    """
    count = await export(session, _file(file), filter, overwrite=overwrite)
    return None if _file(file) is None else f"{count} memories are in {file}."


@command(app, "import", example="aeterna memory import memories.ndjson")
async def import_(
    session: Session,
    file: Annotated[Path, typer.Argument(help="Where from; - is standard input.")],
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error", help="End at the first line that is refused.")
    ] = False,
) -> Shown:
    """Store the memories of a file, one JSON object a line.

    Lines that are refused are told of, and the others stored. When it was interrupted the same
    command goes on; within a day a repeat stores nothing twice.
    """
    return f"{await load(session, _file(file), stop=stop_on_error)} memories are stored."


def _file(path: Path) -> Path | None:
    return None if str(path) == "-" else path
