"""`aeterna policy`: the tenant's own policies about who may do what."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aeterna.governance.v1 import authorization_policies_pb2 as pb
from cli.arguments import moment, name, text_or_input
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown
from libs.errors import invalid

app = typer.Typer(
    help="Write, try and activate the tenant's own Cedar policies.", no_args_is_help=True
)
COLLECTION = "authorizationPolicies"

Id = Annotated[str, typer.Argument(metavar="POLICY", help="Its id: a-z, 0-9 and hyphens.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A file with the statement; -: input.")]
Etag = Annotated[str, typer.Option(help="Only if this is still its etag.")]
Description = Annotated[str, typer.Option(help="What it is for.")]


@command(app, "create", example="aeterna policy create no-company-writes policy.cedar")
async def create(session: Session, policy: Id, file: File, description: Description = "") -> Shown:
    """Add a policy as a draft; it holds once it is activated."""
    request = pb.CreateAuthorizationPolicyRequest(
        authorization_policy_id=policy,
        authorization_policy=pb.AuthorizationPolicy(text=_text(file), description=description),
    )
    return await session.authorization_policies.CreateAuthorizationPolicy(request)


@command(app, "update", example="aeterna policy update no-company-writes policy.cedar")
async def update(
    session: Session, policy: Id, file: File, description: Description = "", etag: Etag = ""
) -> Shown:
    """Add a version as a draft; the active one stays active."""
    request = pb.UpdateAuthorizationPolicyRequest(
        authorization_policy=pb.AuthorizationPolicy(
            name=name(COLLECTION, policy), text=_text(file), description=description, etag=etag
        )
    )
    return await session.authorization_policies.UpdateAuthorizationPolicy(request)


@command(app, "list")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List policies by id."""
    stub, request = session.authorization_policies, pb.ListAuthorizationPoliciesRequest()
    call = stub.ListAuthorizationPolicies
    return await collect(call, request, "authorization_policies", limit)


@command(app, "show")
async def show(session: Session, policy: Id) -> Shown:
    """Show a policy with its active text, or its newest if none is active."""
    request = pb.GetAuthorizationPolicyRequest(name=name(COLLECTION, policy))
    return await session.authorization_policies.GetAuthorizationPolicy(request)


@command(app, "versions")
async def versions(session: Session, policy: Id, limit: Limit = 50) -> Shown:
    """List the versions of a policy, newest first."""
    request = pb.ListAuthorizationPolicyVersionsRequest(name=name(COLLECTION, policy))
    call = session.authorization_policies.ListAuthorizationPolicyVersions
    return await collect(call, request, "versions", limit)


@command(app, "validate", example="aeterna policy validate policy.cedar")
async def validate(session: Session, file: File) -> Shown:
    """Say what is wrong with a statement, line by line."""
    request = pb.ValidateAuthorizationPolicyRequest(text=_text(file))
    answer = await session.authorization_policies.ValidateAuthorizationPolicy(request)
    for problem in answer.problems:
        print(f"line {problem.line}: {problem.message}", file=sys.stderr)
    if not answer.valid:
        raise invalid("file", "is not a valid policy")
    return "valid"


@command(
    app,
    "simulate",
    example="aeterna policy simulate no-company-writes --since 2026-01-31T00:00:00Z",
)
async def simulate(
    session: Session,
    policy: Id,
    version: Annotated[int, typer.Option(min=0, help="Which; 0: the newest.")] = 0,
    file: Annotated[str, typer.Option(help="A statement in place of a version.")] = "",
    inactive: Annotated[bool, typer.Option(help="As if none of its versions were active.")] = False,
    since: Annotated[
        str, typer.Option(help="From then on, as 2026-01-31T09:00:00Z.", show_default="all")
    ] = "",
    until: Annotated[str, typer.Option(help="Until then.", show_default="now")] = "",
    examples: Annotated[int, typer.Option(min=0, max=200, help="How many to show.")] = 20,
) -> Shown:
    """Try a policy on decisions that were made: which would have been others."""
    request = pb.SimulateAuthorizationPoliciesRequest(
        trials=[_trial(name(COLLECTION, policy), version, file, inactive)],
        start_time=moment(since, "since") if since else None,
        end_time=moment(until, "until") if until else None,
        max_examples=examples,
    )
    answer = await session.authorization_policies.SimulateAuthorizationPolicies(request)
    print(
        f"{answer.decisions} decisions ({answer.distinct} different):"
        f" {answer.newly_denied} would be denied, {answer.newly_allowed} would be allowed"
        + ("; older ones were left out" if answer.truncated else ""),
        file=sys.stderr,
    )
    return list(answer.examples)


@command(app, "activate", example="aeterna policy activate no-company-writes")
async def activate(
    session: Session,
    policy: Id,
    version: Annotated[int, typer.Option(min=0, help="Which; 0: the newest.")] = 0,
    etag: Etag = "",
) -> Shown:
    """Make a version hold, in every service within a second."""
    request = pb.ActivateAuthorizationPolicyRequest(
        name=name(COLLECTION, policy), version=version, etag=etag
    )
    return await session.authorization_policies.ActivateAuthorizationPolicy(request)


@command(app, "rollback")
async def rollback(session: Session, policy: Id, etag: Etag = "") -> Shown:
    """Go back to the version that was active before."""
    request = pb.RollbackAuthorizationPolicyRequest(name=name(COLLECTION, policy), etag=etag)
    return await session.authorization_policies.RollbackAuthorizationPolicy(request)


@command(app, "deactivate")
async def deactivate(session: Session, policy: Id, etag: Etag = "") -> Shown:
    """Make no version hold; the policy stays."""
    request = pb.DeactivateAuthorizationPolicyRequest(name=name(COLLECTION, policy), etag=etag)
    return await session.authorization_policies.DeactivateAuthorizationPolicy(request)


@command(app, "delete")
async def delete(session: Session, policy: Id, etag: Etag = "") -> Shown:
    """Delete a policy with all its versions."""
    request = pb.DeleteAuthorizationPolicyRequest(name=name(COLLECTION, policy), etag=etag)
    await session.authorization_policies.DeleteAuthorizationPolicy(request)
    return "deleted"


def _text(file: str) -> str:
    try:
        return text_or_input(file) if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise invalid("file", "cannot be read") from None


def _trial(policy: str, version: int, file: str, inactive: bool) -> pb.PolicyTrial:
    if inactive:
        return pb.PolicyTrial(name=policy, inactive=True)
    if file:
        return pb.PolicyTrial(name=policy, text=_text(file))
    return pb.PolicyTrial(name=policy, version=version)
