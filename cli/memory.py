"""`aeterna memory`: what agents and people remember."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from aeterna.memory.v1 import memory_pb2 as pb
from cli.arguments import enum, moment, name, struct, text_or_input
from cli.command import command
from cli.options import ScopeIds
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Store, find and change memories.", no_args_is_help=True)


class Layer(StrEnum):
    """How broadly a memory applies, narrowest first."""

    AGENT = "agent"
    USER = "user"
    SESSION = "session"
    PROJECT = "project"
    TEAM = "team"
    ORG = "org"
    COMPANY = "company"


class Feedback(StrEnum):
    """What to say of a memory."""

    HELPFUL = "helpful"
    IRRELEVANT = "irrelevant"
    OUTDATED = "outdated"
    INACCURATE = "inaccurate"
    DUPLICATE = "duplicate"


Layers = Annotated[list[Layer] | None, typer.Option(help="Only these layers.", show_default="all")]
Name = Annotated[str, typer.Argument(help="memories/{uuid}, or the uuid alone.")]
Version = Annotated[
    int, typer.Option(help="Only if this is still the version; 0: whichever it is.")
]
Metadata = Annotated[str | None, typer.Option(help="A JSON object.", show_default=False)]
Importance = Annotated[
    float | None, typer.Option(min=0, max=1, help="How much it matters.", show_default=False)
]
Filter = Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")]
Time = Annotated[
    str, typer.Option(help="When it happened, as 2026-01-31T09:00:00Z.", show_default="now")
]
Trust = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="How far its source is trusted.", show_default=False),
]
From = Annotated[
    str | None, typer.Option(help="From when it is true; '' for always.", show_default=False)
]
Until = Annotated[str | None, typer.Option(help="Until when; '' for ever.", show_default=False)]
Source = Annotated[
    str, typer.Option(help="Where it came from: a URI, a tool's name.", show_default=False)
]
_ADD = 'aeterna memory add "Deploys are frozen on Fridays." --layer team --team payments'
_LIST = 'aeterna memory list --filter \'layer = "user" AND user_id = "ann"\''


@command(app, "add", example=_ADD)
async def add(
    session: Session,
    content: Annotated[str, typer.Argument(help="The text; - reads standard input.")],
    scope: ScopeIds,
    layer: Annotated[Layer, typer.Option(help="How broadly it applies.")] = Layer.USER,
    metadata: Metadata = None,
    importance: Importance = None,
    author: Annotated[str, typer.Option(help="Who said or wrote it.", show_default=False)] = "",
    at: Time = "",
    source: Source = "",
    trust: Trust = None,
    valid_from: From = None,
    valid_until: Until = None,
    request_id: Annotated[
        str, typer.Option(help="A UUID; a repeat with it gets the first answer.", metavar="UUID")
    ] = "",
) -> Shown:
    """Store a memory; it can be found when the command returns.

    Tells of memories that say nearly the same, or which one it was counted in, as the tenant's
    settings have it (`aeterna memory settings set --near-duplicates`).

    A layer needs its ids: user --user; session --user and --session; agent --user and --agent;
    project, team and org the one of their name; company none.
    """
    memory = _memory(
        text_or_input(content), metadata, importance, at, trust, valid_from, valid_until
    )
    memory.MergeFrom(
        pb.Memory(layer=layer_of(layer), scope=scope.message(), author=author, source=source)
    )
    request = pb.CreateMemoryRequest(memory=memory, request_id=request_id)
    return _created(await session.memory.CreateMemory(request))


@command(app, "get")
async def get(session: Session, memory: Name) -> Shown:
    """Show one memory."""
    return await session.memory.GetMemory(pb.GetMemoryRequest(name=name("memories", memory)))


@command(app, "list", example=_LIST)
async def list_(
    session: Session,
    filter: Filter = "",
    limit: Limit = 50,
) -> Shown:
    """List memories, newest first."""
    request = pb.ListMemoriesRequest(filter=filter)
    return await collect(session.memory.ListMemories, request, "memories", limit)


@command(app, "update")
async def update(
    session: Session,
    memory: Name,
    content: Annotated[
        str | None, typer.Option(help="The new text; - reads standard input.", show_default=False)
    ] = None,
    metadata: Metadata = None,
    importance: Importance = None,
    at: Annotated[str | None, typer.Option(help="When it happened.", show_default=False)] = None,
    trust: Trust = None,
    valid_from: From = None,
    valid_until: Until = None,
    version: Version = 0,
) -> Shown:
    """Change what is given."""
    text = None if content is None else text_or_input(content)
    patch = _memory(text, metadata, importance, at, trust, valid_from, valid_until)
    patch.name, patch.version = name("memories", memory), version
    given = {
        "content": content,
        "metadata": metadata,
        "importance": importance,
        "event_time": at,
        "trust": trust,
        "valid_from": valid_from,
        "valid_until": valid_until,
    }
    request = pb.UpdateMemoryRequest(memory=patch)
    request.update_mask.paths.extend(field for field, value in given.items() if value is not None)
    return await session.memory.UpdateMemory(request)


@command(app, "supersede", example='aeterna memory supersede 0198... "Ann lives in Oslo."')
async def supersede(
    session: Session,
    memory: Name,
    content: Annotated[str, typer.Argument(help="What is true now; - reads standard input.")],
    metadata: Metadata = None,
    importance: Importance = None,
    author: Annotated[str, typer.Option(help="Who said or wrote it.", show_default=False)] = "",
    at: Time = "",
    source: Source = "",
    trust: Trust = None,
    valid_from: Annotated[
        str | None, typer.Option(help="Since when it is true.", show_default="now")
    ] = None,
    version: Version = 0,
) -> Shown:
    """Correct a memory: store what replaces it, in the same layer and scope, and close the old one.

    Searches show the new one; `--valid-at` and `memory history` still tell the old one.
    """
    replacement = _memory(text_or_input(content), metadata, importance, at, trust, valid_from, None)
    replacement.MergeFrom(pb.Memory(author=author, source=source))
    request = pb.SupersedeMemoryRequest(
        name=name("memories", memory), memory=replacement, version=version
    )
    return await session.memory.SupersedeMemory(request)


@command(app, "feedback", example="aeterna memory feedback 0198... helpful")
async def feedback(
    session: Session,
    memory: Name,
    said: Annotated[Feedback, typer.Argument(metavar="FEEDBACK", help=", ".join(Feedback) + ".")],
) -> Shown:
    """Say how good a memory is, in place of what you said before.

    What people say moves how much the memory matters; `outdated` ends its validity when an
    administrator or who stored it says so.
    """
    request = pb.FeedbackMemoryRequest(
        name=name("memories", memory),
        feedback=pb.Feedback.ValueType(enum(pb.Feedback, said)),
    )
    return await session.memory.FeedbackMemory(request)


@command(app, "delete")
async def delete(session: Session, memory: Name, version: Version = 0) -> Shown:
    """Delete a memory and its earlier versions."""
    request = pb.DeleteMemoryRequest(name=name("memories", memory), version=version)
    await session.memory.DeleteMemory(request)
    return f"{request.name} is deleted."


@command(app, "promote", example="aeterna memory promote 0198... --layer team --team payments")
async def promote(
    session: Session,
    memory: Name,
    layer: Annotated[Layer, typer.Option(help="A broader layer than the present one.")],
    scope: ScopeIds,
    version: Version = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of it; change nothing.")
    ] = False,
    no_redaction: Annotated[
        bool,
        typer.Option("--no-redaction", help="Leave personal data in; for administrators."),
    ] = False,
) -> Shown:
    """Move a memory to a broader layer, without the personal data and secrets that are found in it.

    Earlier versions that hold some are removed. What was found is told on standard error.
    """
    redaction = "none" if no_redaction else "personal_data"
    request = pb.PromoteMemoryRequest(
        name=name("memories", memory),
        layer=layer_of(layer),
        scope=scope.message(),
        version=version,
        redaction=pb.Redaction.ValueType(enum(pb.Redaction, redaction)),
        validate_only=dry_run,
    )
    promoted = await session.memory.PromoteMemory(request)
    if promoted.redacted:
        print(f"note: redacted {', '.join(promoted.redacted)}", file=sys.stderr)
    return promoted


@command(app, "history")
async def history(session: Session, memory: Name, limit: Limit = 50) -> Shown:
    """Show what happened to a memory, oldest first."""
    request = pb.ListMemoryRevisionsRequest(name=name("memories", memory))
    return await collect(session.memory.ListMemoryRevisions, request, "revisions", limit)


def _created(memory: pb.Memory) -> Shown:
    if memory.occurrences > 1:
        print(f"note: said {memory.occurrences} times, counted in {memory.name}", file=sys.stderr)
    for each in memory.near_duplicates:
        print(f"note: {each.name} says nearly the same ({each.similarity:.2f})", file=sys.stderr)
    return memory


def layer_of(layer: Layer) -> pb.Layer.ValueType:
    return pb.Layer.ValueType(enum(pb.Layer, layer))


def _memory(
    content: str | None,
    metadata: str | None,
    importance: float | None,
    at: str | None,
    trust: float | None,
    valid_from: str | None,
    valid_until: str | None,
) -> pb.Memory:
    return pb.Memory(
        content=content or "",
        metadata=None if metadata is None else struct(metadata),
        importance=importance,
        event_time=moment(at, "at") if at else None,
        trust=trust,
        valid_from=moment(valid_from, "valid_from") if valid_from else None,
        valid_until=moment(valid_until, "valid_until") if valid_until else None,
    )
