"""`aeterna keys`: the encryption keys of the tenant, and the key that wraps them all."""

from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from aeterna.governance.v1 import keys_pb2 as pb
from cli.arguments import duration
from cli.command import command
from cli.operations import finished
from cli.paging import Limit, collect
from cli.session import PLATFORM_ADMIN, Session
from cli.show import Shown
from libs.errors import invalid

app = typer.Typer(help="Show, rotate and retire encryption keys.", no_args_is_help=True)

Wait = Annotated[bool, typer.Option(help="Follow it to its end.")]


@command(app, "list", example="aeterna keys list --subjects --filter 'subject = \"ann\"'")
async def list_(
    session: Session,
    subjects: Annotated[
        bool, typer.Option("--subjects", help="The keys of subjects, not the tenant's own.")
    ] = False,
    filter: Annotated[
        str, typer.Option(help="Comparisons of subject, version, uses, create_time (AIP-160).")
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List the tenant's keys, newest first, or those of subjects."""
    if subjects:
        request = pb.ListSubjectKeysRequest(filter=filter)
        return await collect(session.keys.ListSubjectKeys, request, "subject_keys", limit)
    if filter:
        raise invalid("filter", "goes with --subjects")
    return await collect(
        session.keys.ListTenantKeys, pb.ListTenantKeysRequest(), "tenant_keys", limit
    )


@command(app, "rotate", example="aeterna keys rotate --all-subjects --older-than 90d")
async def rotate(
    session: Session,
    subject: Annotated[
        str | None, typer.Option(help="The key of this user; '' for the tenant's own data.")
    ] = None,
    all_subjects: Annotated[
        bool, typer.Option("--all-subjects", help="The keys of all subjects.")
    ] = False,
    older_than: Annotated[
        str, typer.Option(help="With --all-subjects: only keys older than this, as 90d, 12h.")
    ] = "",
    wait: Wait = True,
) -> Shown:
    """Make a new key: the tenant's, unless told otherwise; old ones go on opening.

    `rewrap`, for the tenant's key, or `reencrypt`, for subjects', brings everything under new keys;
    then `retire` destroys the old ones.
    """
    if subject is not None and all_subjects:
        raise invalid("subject", "cannot be given with --all-subjects")
    if older_than and not all_subjects:
        raise invalid("older_than", "goes with --all-subjects")
    if subject is not None:
        return await session.keys.RotateSubjectKey(pb.RotateSubjectKeyRequest(subject=subject))
    if not all_subjects:
        return await session.keys.RotateTenantKey(pb.RotateTenantKeyRequest())
    request = pb.RotateSubjectKeysRequest()
    if older_than:
        request.older_than.FromTimedelta(duration(older_than, "older_than"))
    operation = await session.keys.RotateSubjectKeys(request)
    return await _followed(session, operation) if wait else operation


@command(app, "rewrap", example="aeterna keys rewrap")
async def rewrap(session: Session, wait: Wait = True) -> Shown:
    """Wrap all keys of the tenant anew, with the newest ones; payloads are not touched."""
    operation = await session.keys.RewrapTenantKeys(pb.RewrapTenantKeysRequest())
    return await _followed(session, operation) if wait else operation


@command(app, "reencrypt", example="aeterna keys reencrypt --rows-per-second 500")
async def reencrypt(
    session: Session,
    rows_per_second: Annotated[
        int, typer.Option(help="At most so many.", show_default="as the server is set")
    ] = 0,
    wait: Wait = True,
) -> Shown:
    """Seal all stored values anew, with the newest keys of their subjects."""
    request = pb.ReencryptFieldsRequest(rows_per_second=rows_per_second)
    operation = await session.keys.ReencryptFields(request)
    return await _followed(session, operation) if wait else operation


@command(app, "retire", example="aeterna keys retire --dry-run")
async def retire(
    session: Session,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at everything, destroy nothing.")
    ] = False,
    wait: Wait = True,
) -> Shown:
    """Destroy old keys, for good, once a scan of all values proves that none needs them."""
    operation = await session.keys.RetireKeys(pb.RetireKeysRequest(validate_only=dry_run))
    return await _followed(session, operation) if wait else operation


@command(app, "kms", role=PLATFORM_ADMIN, example="aeterna keys kms --rotate")
async def kms(
    session: Session,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new version of it; then `rewrap` each tenant.")
    ] = False,
    all: Annotated[bool, typer.Option("--all", help="List every key that can be seen.")] = False,
) -> Shown:
    """Show the key of the key management service; needs a platform administrator."""
    if all and rotate:
        raise invalid("all", "cannot be given with --rotate")
    if all:
        return list((await session.kms.ListKmsKeys(pb.ListKmsKeysRequest())).kms_keys)
    if rotate:
        return await session.kms.RotateKmsKey(pb.RotateKmsKeyRequest())
    return await session.kms.GetKmsKey(pb.GetKmsKeyRequest())


async def _followed(session: Session, operation: Any) -> Message:
    return await finished(session, operation, session.governance_operations)
