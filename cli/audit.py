"""`aeterna audit`: the audit trail of a tenant."""

from pathlib import Path
from typing import Annotated

import typer

from aeterna.governance.v1 import audit_pb2 as pb
from cli.audit_file import archived, copy, judged, verified_offline
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Read, prove and add to the audit trail.", no_args_is_help=True)


@command(app, "list", example="aeterna audit list --filter 'operation = \"deleted\"'")
async def list_(
    session: Session,
    filter: Annotated[
        str,
        typer.Option(
            help="By actor, subject, resource, event, operation, commit_time and others (AIP-160)."
        ),
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List entries, oldest first."""
    request = pb.ListAuditEntriesRequest(filter=filter)
    return await collect(session.audit.ListAuditEntries, request, "entries", limit)


@command(app, "export", example="aeterna audit export trail.ndjson")
async def export(
    session: Session,
    file: Annotated[Path, typer.Argument(help="Where to; - is standard output.")],
    since: Annotated[int, typer.Option(help="Only entries above this number.")] = 0,
    until: Annotated[int, typer.Option(help="Up to this one.", show_default="the newest")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> Shown | None:
    """Copy the trail to a file that proves itself: see verify --file."""
    request = pb.ExportAuditTrailRequest(since=since, until=until)
    size = await copy(session, request, file, overwrite=overwrite)
    return None if str(file) == "-" else f"{size} bytes are in {file}."


@command(app, "keys")
async def keys(session: Session) -> Shown:
    """List the public keys of the platform: keep them apart from what they prove."""
    found = await session.audit.ListSigningKeys(pb.ListSigningKeysRequest())
    return list(found.keys)


@command(app, "checkpoints")
async def checkpoints(session: Session, limit: Limit = 50) -> Shown:
    """List signed checkpoints, oldest first."""
    request = pb.ListAuditCheckpointsRequest()
    return await collect(session.audit.ListAuditCheckpoints, request, "checkpoints", limit)


@command(app, "prune", example="aeterna audit prune trail.ndjson --until 5000")
async def prune(
    session: Session,
    archive: Annotated[Path, typer.Argument(help="A copy that holds the entries.")],
    until: Annotated[
        int, typer.Option(help="Up to this number.", show_default="the end of the copy")
    ] = 0,
) -> Shown:
    """Remove entries that a copy holds, which is checked first; needs an administrator.

    Entries stay for a minimum time (90 days as a rule) whatever copies there are.
    """
    number, digest = archived(archive, until)
    request = pb.PruneAuditTrailRequest(until=number, hash=digest)
    return await session.audit.PruneAuditTrail(request)


@command(
    app, "verify", example="aeterna audit verify --file trail.ndjson", offline=verified_offline
)
async def verify(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Option(help="A copy to check instead, without any server.", show_default=False),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Public key that may have signed; several.", show_default="any"),
    ] = None,
) -> Shown:
    """Recompute the chain of hashes; exit code 1 when an entry is missing or altered."""
    verdict = await session.audit.VerifyAuditTrail(pb.VerifyAuditTrailRequest())
    return judged(verdict, session.options)


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
