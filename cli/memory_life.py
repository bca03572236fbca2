"""`aeterna memory optimize|prune|restore`: what memories cost, and when they go."""

from datetime import timedelta
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from aeterna.memory.v1 import maintenance_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from cli.arguments import duration, name
from cli.command import command
from cli.memory import Name
from cli.operations import finished
from cli.session import Session
from cli.show import Shown

app = typer.Typer()

Wait = Annotated[bool, typer.Option(help="Follow it to its end.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, only count.")]
_AGE = "as 90d, 12h; either option is enough."
_PRUNE = "aeterna memory prune --archived-for 90d --invalid-for 365d --dry-run"


@command(app, "optimize", example="aeterna memory optimize --dry-run")
async def optimize(session: Session, dry_run: DryRun = False, wait: Wait = True) -> Shown:
    """Move each memory to the tier that its importance says; needs an administrator.

    Hot ones are found by words and meaning, warm ones by words, archived ones not at all.
    """
    request = maintenance_pb2.OptimizeMemoriesRequest(validate_only=dry_run)
    operation: Message = await session.memory_maintenance.OptimizeMemories(request)
    return await finished(session, operation) if wait else operation


@command(app, "prune", example=_PRUNE)
async def prune(
    session: Session,
    archived_for: Annotated[
        str, typer.Option(help=f"What is archived for longer, {_AGE}", show_default=False)
    ] = "",
    invalid_for: Annotated[
        str, typer.Option(help=f"What is untrue for longer, {_AGE}", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    wait: Wait = True,
) -> Shown:
    """Delete memories, and their earlier versions, that nobody needs; needs an administrator."""
    request = maintenance_pb2.PruneMemoriesRequest(
        archived_for=_age(archived_for, "archived_for"),
        invalid_for=_age(invalid_for, "invalid_for"),
        validate_only=dry_run,
    )
    operation: Message = await session.memory_maintenance.PruneMemories(request)
    return await finished(session, operation) if wait else operation


@command(app, "restore", example="aeterna memory restore memories/0198...")
async def restore(session: Session, memory: Name) -> Shown:
    """Stand for a memory as it is: searches find it again, and it fades from now on."""
    request = pb.UpdateMemoryRequest(memory=pb.Memory(tier=pb.TIER_HOT))
    request.memory.name = name("memories", memory)
    request.update_mask.paths.append("tier")
    return await session.memory.UpdateMemory(request)


def _age(text: str, field: str) -> Duration | None:
    if not text:
        return None
    age: timedelta = duration(text, field)
    message = Duration()
    message.FromTimedelta(age)
    return message
