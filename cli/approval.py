"""`aeterna approval`: asking for approvals, deciding, passing the right on."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from aeterna.governance.v1 import approvals_pb2 as pb
from cli.arguments import ahead, duration, enum, name, text_or_input
from cli.command import command
from cli.options import ScopeIds
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Ask for approvals and decide on them.", no_args_is_help=True)
config = typer.Typer(help="How requests are decided.", no_args_is_help=True)
app.add_typer(config, name="config")


class Kind(StrEnum):
    """What a request is about."""

    POLICY = "policy"
    KNOWLEDGE = "knowledge"
    MEMORY = "memory"
    ROLE = "role"
    CONFIG = "config"


class Risk(StrEnum):
    """How much may go wrong."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Preset(StrEnum):
    """Configurations that have a name."""

    STANDARD = "standard"
    STRICT = "strict"
    PERMISSIVE = "permissive"


class Mode(StrEnum):
    """How many have to approve."""

    SINGLE = "single"
    QUORUM = "quorum"
    UNANIMOUS = "unanimous"


Name = Annotated[str, typer.Argument(help="approvalRequests/{uuid}, or the uuid alone.")]
Comment = Annotated[str, typer.Option(help="Why; - reads standard input.", show_default=False)]
_REQUEST = (
    'aeterna approval request "Accept the pool limit" knowledgeItems/0198... --version 2'
    " --team payments"
)


@command(app, "request", example=_REQUEST)
async def request(
    session: Session,
    title: Annotated[str, typer.Argument(help="One line.")],
    target: Annotated[str, typer.Argument(help="The resource that is to change.")],
    scope: ScopeIds,
    kind: Annotated[Kind, typer.Option(help="What it is about.")] = Kind.KNOWLEDGE,
    version: Annotated[int, typer.Option(min=0, help="The version to approve.")] = 0,
    risk: Annotated[Risk, typer.Option(help="How much may go wrong.")] = Risk.MEDIUM,
    description: Annotated[
        str, typer.Option(help="Why; - reads standard input.", show_default=False)
    ] = "",
    digest: Annotated[
        str, typer.Option(help="SHA-256 of what is to be done.", show_default=False)
    ] = "",
) -> Shown:
    """Ask for an approval."""
    asked = pb.ApprovalRequest(
        kind=pb.ApprovalKind.ValueType(enum(pb.ApprovalKind, kind)),
        target=target,
        target_version=version,
        scope=scope.message(),
        risk=pb.ApprovalRisk.ValueType(enum(pb.ApprovalRisk, risk)),
        payload_digest=digest,
        title=title,
        description=text_or_input(description),
    )
    request = pb.CreateApprovalRequestRequest(approval_request=asked)
    return await session.approvals.CreateApprovalRequest(request)


@command(app, "list", example="aeterna approval list --filter 'state = \"pending\"'")
async def list_(
    session: Session,
    filter: Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")] = "",
    limit: Limit = 50,
) -> Shown:
    """List requests, newest first."""
    request = pb.ListApprovalRequestsRequest(filter=filter)
    call = session.approvals.ListApprovalRequests
    return await collect(call, request, "approval_requests", limit)


@command(app, "show")
async def show(session: Session, request: Name) -> Shown:
    """Show one request with its decisions."""
    asked = pb.GetApprovalRequestRequest(name=_named(request))
    return await session.approvals.GetApprovalRequest(asked)


@command(app, "approve", example="aeterna approval approve 0198... --comment 'Measured, holds.'")
async def approve(session: Session, request: Name, comment: Comment = "") -> Shown:
    """Approve; not your own."""
    asked = pb.ApproveApprovalRequestRequest(name=_named(request), comment=text_or_input(comment))
    return await session.approvals.ApproveApprovalRequest(asked)


@command(app, "reject")
async def reject(
    session: Session,
    request: Name,
    comment: Annotated[str, typer.Argument(help="Why; - reads standard input.")],
) -> Shown:
    """Reject, which ends the request; not your own."""
    asked = pb.RejectApprovalRequestRequest(name=_named(request), comment=text_or_input(comment))
    return await session.approvals.RejectApprovalRequest(asked)


@command(app, "withdraw")
async def withdraw(session: Session, request: Name) -> Shown:
    """Take a pending request of yours back."""
    asked = pb.WithdrawApprovalRequestRequest(name=_named(request))
    return await session.approvals.WithdrawApprovalRequest(asked)


@command(app, "apply")
async def apply(
    session: Session,
    request: Name,
    digest: Annotated[str, typer.Option(help="SHA-256 of what was done.", show_default=False)] = "",
) -> Shown:
    """Say that an approved request was carried out, once; knowledge is accepted by itself."""
    asked = pb.ApplyApprovalRequestRequest(name=_named(request), payload_digest=digest)
    return await session.approvals.ApplyApprovalRequest(asked)


@command(app, "delegate", example="aeterna approval delegate bob 14d --team payments")
async def delegate(
    session: Session,
    delegate: Annotated[str, typer.Argument(help="Who may decide in your place.")],
    period: Annotated[str, typer.Argument(help="For how long: 12h, 14d; at most 90d.")],
    scope: ScopeIds,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only for these.", show_default="all")
    ] = None,
) -> Shown:
    """Pass your right to decide on."""
    delegation = pb.ApprovalDelegation(
        delegate=delegate,
        kinds=[pb.ApprovalKind.ValueType(enum(pb.ApprovalKind, each)) for each in kind or ()],
        scope=scope.message(),
        expire_time=ahead(period, "period"),
    )
    request = pb.CreateApprovalDelegationRequest(approval_delegation=delegation)
    return await session.approvals.CreateApprovalDelegation(request)


@command(app, "delegations")
async def delegations(session: Session, limit: Limit = 50) -> Shown:
    """List delegations that have not expired, newest first."""
    request = pb.ListApprovalDelegationsRequest()
    call = session.approvals.ListApprovalDelegations
    return await collect(call, request, "approval_delegations", limit)


@command(app, "undelegate")
async def undelegate(
    session: Session,
    delegation: Annotated[str, typer.Argument(help="approvalDelegations/{uuid}, or the uuid.")],
) -> Shown:
    """End a delegation."""
    request = pb.DeleteApprovalDelegationRequest(name=name("approvalDelegations", delegation))
    await session.approvals.DeleteApprovalDelegation(request)
    return f"{request.name} is ended."


@command(config, "get")
async def get_config(session: Session, scope: ScopeIds) -> Shown:
    """Show the configuration that counts in a scope."""
    request = pb.GetApprovalConfigRequest(scope=scope.message())
    return await session.approvals.GetApprovalConfig(request)


@command(config, "list")
async def list_configs(session: Session, limit: Limit = 50) -> Shown:
    """List all configurations."""
    request = pb.ListApprovalConfigsRequest()
    call = session.approvals.ListApprovalConfigs
    return await collect(call, request, "approval_configs", limit)


@command(config, "set", example="aeterna approval config set --preset strict --require knowledge")
async def set_config(
    session: Session,
    scope: ScopeIds,
    preset: Annotated[Preset, typer.Option(help="For what is not given.")] = Preset.STANDARD,
    require: Annotated[
        list[Kind] | None,
        typer.Option(help="What needs an approved request.", show_default="nothing"),
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="How many have to approve.", show_default=False)
    ] = None,
    quorum: Annotated[
        int | None, typer.Option(min=1, max=100, help="How many, in numbers.", show_default=False)
    ] = None,
    approver: Annotated[
        list[str] | None,
        typer.Option(help="Who may decide.", show_default="whoever reviews"),
    ] = None,
    expire_after: Annotated[
        str, typer.Option(help="Until it expires: 72h.", show_default=False)
    ] = "",
    escalate_after: Annotated[
        str, typer.Option(help="Until it is escalated: 48h.", show_default=False)
    ] = "",
) -> Shown:
    """Set the configuration of a scope; needs an administrator."""
    new = pb.ApprovalConfig(
        scope=scope.message(),
        preset=pb.ApprovalPreset.ValueType(enum(pb.ApprovalPreset, preset)),
        required_kinds=[
            pb.ApprovalKind.ValueType(enum(pb.ApprovalKind, each)) for each in require or ()
        ],
        approvers=approver or (),
    )
    if mode:
        new.mode = pb.ApprovalMode.ValueType(enum(pb.ApprovalMode, mode))
    if quorum is not None:
        new.quorum = quorum
    times: dict[str, str] = {"timeout": expire_after, "escalate_after": escalate_after}
    for field, text in times.items():
        if text:
            period: timedelta = duration(text, field)
            getattr(new, field).FromTimedelta(period)
    request = pb.SetApprovalConfigRequest(approval_config=new)
    return await session.approvals.SetApprovalConfig(request)


@command(config, "delete")
async def delete_config(session: Session, scope: ScopeIds) -> Shown:
    """Remove the configuration of a scope; needs an administrator."""
    request = pb.DeleteApprovalConfigRequest(scope=scope.message())
    await session.approvals.DeleteApprovalConfig(request)
    return "The configuration is removed."


def _named(text: str) -> str:
    return name("approvalRequests", text)
