"""`aeterna check`: may somebody do something, and why."""

from typing import Annotated

import typer

from aeterna.governance.v1 import access_pb2 as pb
from cli.options import ScopeIds
from cli.session import Session
from cli.show import Shown


async def check(
    session: Session,
    user: Annotated[str, typer.Argument(help="Who, as tokens name their subject; me: yourself.")],
    action: Annotated[str, typer.Argument(help="What: read, write, delete, or GetMemory.")],
    resource: Annotated[
        str,
        typer.Argument(
            help="To what: memories, knowledgeItems or the tenant, with a layer behind a slash."
        ),
    ] = "",
    scope: ScopeIds = ScopeIds(),  # noqa: B008 - options of their own
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role of his token, beside those that he was given; several times."),
    ] = None,
    agent: Annotated[str, typer.Option("--by", help="The agent that acts for him.")] = "",
    can: Annotated[
        list[str] | None, typer.Option(help="A capability of an agent that is not registered.")
    ] = None,
    status: Annotated[str, typer.Option(help="The status of the thing.")] = "",
) -> Shown:
    """Say whether somebody may do something, by which policies, and why not."""
    raise NotImplementedError
