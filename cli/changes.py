"""`aeterna changes`: the change log of a tenant as it grows."""

from typing import Annotated

import typer

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1.sync_pb2 import ListChangesRequest
from cli.options import Output
from cli.session import Session
from cli.show import plain, to_json
from cli.views.common import operation
from libs.clients.subscription import Subscription


async def follow(
    session: Session,
    since: Annotated[
        int | None,
        typer.Option(
            min=0, help="The last number already seen; 0: everything.", show_default="from now on"
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Only memories, knowledgeItems, ...", show_default="all"),
    ] = None,
) -> None:
    """Follow the change log, as `tail -f` does; lost connections are resumed without a gap.

    With --output json each change is one line of JSON.
    """
    await session.sync.ListChanges(ListChangesRequest(page_size=1))  # refused now or never
    async for change in Subscription(session.sync, since, collection or ()):
        as_json = session.options.output is Output.JSON
        print(to_json(change, indent=None) if as_json else line(change), flush=True)


def line(change: Change) -> str:
    """A change on one line."""
    when = change.commit_time.ToDatetime().strftime("%H:%M:%S")
    about = f"{change.layer or '-':8} {change.resource}"
    return plain(f"{change.number:>6}  {when}  {operation(change):10} {about}  {change.actor}")
