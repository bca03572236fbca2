"""`aeterna audit`: the audit trail of a tenant."""

from typing import Annotated

import typer

from aeterna.governance.v1 import audit_pb2 as pb
from cli.command import command
from cli.exits import Exit
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, show

app = typer.Typer(help="Read, prove and add to the audit trail.", no_args_is_help=True)


@command(app, "list", example="aeterna audit list --filter 'operation = \"deleted\"'")
async def list_(
    session: Session,
    filter: Annotated[
        str,
        typer.Option(help="By actor, subject, resource, operation and commit_time (AIP-160)."),
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List entries, oldest first."""
    request = pb.ListAuditEntriesRequest(filter=filter)
    return await collect(session.audit.ListAuditEntries, request, "entries", limit)


@command(app, "verify")
async def verify(session: Session) -> Shown:
    """Recompute the chain of hashes; exit code 1 when an entry is missing or altered."""
    verdict = await session.audit.VerifyAuditTrail(pb.VerifyAuditTrailRequest())
    if not verdict.intact:
        show(verdict, session.options.output)
        raise typer.Exit(Exit.UNEXPECTED)
    return verdict


@command(app, "record", example="aeterna audit record export.started --subject ann")
async def record(
    session: Session,
    event: Annotated[str, typer.Argument(help="Lower-case words joined by dots.")],
    resource: Annotated[str, typer.Option(help="What it is about.", show_default=False)] = "",
    subject: Annotated[str, typer.Option(help="Whom it is about.", show_default=False)] = "",
) -> Shown:
    """Add an event that changes no resource."""
    request = pb.RecordAuditEventRequest(event=event, resource=resource, subject=subject)
    return await session.audit.RecordAuditEvent(request)
