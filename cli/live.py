"""`aeterna live`: what happens in a tenant, as it happens, and who is there."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from aeterna.sync.v1 import live_pb2 as pb
from cli.command import command
from cli.options import Output
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, plain, to_json
from cli.views.live import presence_state

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from libs.live import Room

app = typer.Typer(help="See what happens, and who is there.", no_args_is_help=True)

_ROOMS = (
    "changes, memories, knowledgeItems, documents/{id}, layers/{layer}, orgs/{id}, teams/{id},"
    " projects/{id} ..."
)
_WATCH = (
    "aeterna live watch teams/payments knowledgeItems\n"
    "aeterna live watch changes --since 0 --output json"
)


@command(app, "watch", role="developer", example=_WATCH)
async def watch(
    session: Session,
    room: Annotated[
        list[str] | None, typer.Argument(help=f"Rooms: {_ROOMS}", show_default="changes")
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            min=0, help="The last number already seen; 0: everything.", show_default="from now on"
        ),
    ] = None,
    presence: Annotated[
        bool, typer.Option("--presence", help="Be seen in the rooms, and see who comes and goes.")
    ] = False,
) -> None:
    """Follow rooms over a WebSocket; lost connections are resumed without a gap.

    With --output json each event is one line of JSON.
    """
    async with session.open_live() as live:
        rooms = [
            live.enter(each, since=since, presence=presence)
            for each in dict.fromkeys(room or ["changes"])
        ]
        for entered in rooms:
            await entered.entered()  # refused now or never
        following = [_events(session, entered) for entered in rooms]
        following += [_people(session, entered) for entered in rooms if presence]
        await asyncio.gather(*following)


@command(app, "presence", role="developer", example="aeterna live presence teams/payments")
async def presence(
    session: Session,
    room: Annotated[str, typer.Argument(help=f"A room: {_ROOMS}")],
    limit: Limit = 100,
) -> Shown:
    """List who is in a room."""
    request = pb.ListPresenceRequest(room=room)
    return await collect(session.live.ListPresence, request, "present", limit)


async def _events(session: Session, room: "Room") -> None:
    async for event in room:
        _print(session, event, line(event))


async def _people(session: Session, room: "Room") -> None:
    async for update in room.presence():
        lines = [f"{'':>6}  {room.name}: {_person(each)}" for each in update.changes]
        if lines:
            _print(session, update, plain("\n".join(lines)))


def line(event: pb.ConnectResponse.Event) -> str:
    """An event on one line."""
    change = event.change
    when = change.commit_time.ToDatetime().strftime("%H:%M:%S")
    about = f"{change.layer or '-':8} {change.resource}{_typed(event)}"
    return plain(f"{event.number:>6}  {when}  {event.type:20} {about}  {change.actor}")


def _typed(event: pb.ConnectResponse.Event) -> str:
    """How much was inserted and deleted in a document."""
    if not event.HasField("edit"):
        return ""
    parts = event.edit.operation.parts
    inserted, deleted = sum(len(each.insert) for each in parts), sum(each.delete for each in parts)
    return f" +{inserted} -{deleted} (version {event.edit.version})"


def _person(presence: pb.Presence) -> str:
    agent = f" by {presence.agent}" if presence.agent else ""
    device = f" on {presence.device}" if presence.device else ""
    return f"{presence.user}{agent}{device} is {presence_state(presence)}"


def _print(session: Session, message: "Message", text: str) -> None:
    as_json = session.options.output is Output.JSON
    print(to_json(message, indent=None) if as_json else text, flush=True)
