"""`aeterna constraint`: what policies demand of code, and whether it is kept."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import ParseDict, ParseError

from aeterna.governance.v1 import constraints_pb2 as pb
from cli.arguments import ahead, enum, name
from cli.command import command
from cli.exits import Exit
from cli.options import ScopeIds
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown, show
from cli.tree import change_set
from libs.errors import invalid

app = typer.Typer(help="Write policies down, and check code by them.", no_args_is_help=True)
suppressions = typer.Typer(help="Findings that do not count for a while.", no_args_is_help=True)
app.add_typer(suppressions, name="suppressions")


class Layer(StrEnum):
    """How broadly a policy applies, broadest first."""

    COMPANY = "company"
    ORG = "org"
    TEAM = "team"
    PROJECT = "project"


Name = Annotated[str, typer.Argument(help="constraintPolicies/{uuid}, or the uuid alone.")]
Paths = Annotated[list[Path], typer.Argument(help="Files and folders.")]
Root = Annotated[Path, typer.Option(help="The root of the project, which paths are given from.")]
Rules = Annotated[
    Path,
    typer.Argument(
        help="TOML as in a block of constraints (docs/constraints.md).", exists=True, dir_okay=False
    ),
]
_CREATE = "aeterna constraint create http.toml --layer team --team payments --title 'HTTP clients'"
_CHECK = "aeterna constraint check --project checkout ."
_ENUMS = {
    "operator": "RULE_OPERATOR",
    "target": "RULE_TARGET",
    "severity": "RULE_SEVERITY",
    "pattern_kind": "PATTERN_KIND",
}


@command(app, "create", example=_CREATE)
async def create(
    session: Session,
    rules: Rules,
    scope: ScopeIds,
    layer: Annotated[Layer, typer.Option(help="How broadly it applies.")] = Layer.COMPANY,
    title: Annotated[str, typer.Option(help="One line.", show_default=False)] = "",
) -> Shown:
    """Create a policy from a file; shows what it contradicts."""
    policy = _policy(rules)
    policy.title = title
    policy.layer = pb.PolicyLayer.ValueType(enum(pb.PolicyLayer, layer))
    policy.scope.CopyFrom(scope.message())
    request = pb.CreateConstraintPolicyRequest(constraint_policy=policy)
    return await session.constraints.CreateConstraintPolicy(request)


@command(app, "update")
async def update(
    session: Session,
    policy: Name,
    rules: Rules,
    etag: Annotated[
        str, typer.Option(help="Only if this is still the etag.", show_default=False)
    ] = "",
) -> Shown:
    """Replace mode, merge and rules of a policy by those of a file."""
    new = _policy(rules)
    new.name, new.etag = _named(policy), etag
    request = pb.UpdateConstraintPolicyRequest(constraint_policy=new)
    request.update_mask.paths.extend(["mode", "merge", "rules"])
    return await session.constraints.UpdateConstraintPolicy(request)


@command(app, "delete")
async def delete(session: Session, policy: Name) -> Shown:
    """Delete a policy."""
    request = pb.DeleteConstraintPolicyRequest(name=_named(policy))
    await session.constraints.DeleteConstraintPolicy(request)
    return f"{request.name} is deleted."


@command(app, "list", example="aeterna constraint list --filter 'mode = \"mandatory\"'")
async def list_(
    session: Session,
    filter: Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")] = "",
    limit: Limit = 50,
) -> Shown:
    """List policies, newest first."""
    request = pb.ListConstraintPoliciesRequest(filter=filter)
    call = session.constraints.ListConstraintPolicies
    return await collect(call, request, "constraint_policies", limit)


@command(app, "show")
async def show_(session: Session, policy: Name) -> Shown:
    """Show one policy with its rules."""
    request = pb.GetConstraintPolicyRequest(name=_named(policy))
    return await session.constraints.GetConstraintPolicy(request)


@command(app, "resolve", example="aeterna constraint resolve --team payments --project checkout")
async def resolve(session: Session, scope: ScopeIds) -> Shown:
    """Show which rules hold in a scope, and where they come from."""
    request = pb.ResolveConstraintsRequest(scope=scope.message())
    resolved = await session.constraints.ResolveConstraints(request)
    if session.options.output:
        return resolved
    return resolved.rules


@command(app, "check", example=_CHECK)
async def check(
    session: Session,
    paths: Paths,
    scope: ScopeIds,
    root: Root = Path(),
    partial: Annotated[
        bool, typer.Option("--partial", help="There is more: nothing can be missing.")
    ] = False,
) -> Shown:
    """Judge files by the rules that hold; exit code 1 when a violation blocks."""
    changes = change_set(paths, root, partial=partial)
    request = pb.CheckConstraintsRequest(scope=scope.message(), change_set=changes)
    verdict = await session.constraints.CheckConstraints(request)
    if not verdict.valid:
        show(verdict if session.options.output else verdict.violations, session.options.output)
        raise typer.Exit(Exit.UNEXPECTED)
    if session.options.output or not verdict.violations:
        return verdict
    return verdict.violations


@command(app, "conflicts")
async def conflicts(session: Session, scope: ScopeIds, limit: Limit = 50) -> Shown:
    """List pairs of rules that cannot both be kept; without a scope, of all policies."""
    request = pb.ListConstraintConflictsRequest(scope=scope.message())
    call = session.constraints.ListConstraintConflicts
    return await collect(call, request, "conflicts", limit)


@command(app, "drift", example="aeterna constraint drift --project checkout .")
async def drift(
    session: Session,
    paths: Paths,
    scope: ScopeIds,
    root: Root = Path(),
    adopted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY=VERSION", help="A policy that this was made for.", show_default=False
        ),
    ] = None,
) -> Shown:
    """Keep a report of how far files are from the policies, and what changed since the last."""
    request = pb.CreateDriftReportRequest(
        scope=scope.message(),
        state=change_set(paths, root, partial=False),
        adopted=map(_adopted, adopted or ()),
    )
    return await session.constraints.CreateDriftReport(request)


@command(app, "reports")
async def reports(
    session: Session,
    filter: Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")] = "",
    limit: Limit = 50,
) -> Shown:
    """List drift reports, newest first."""
    request = pb.ListDriftReportsRequest(filter=filter)
    return await collect(session.constraints.ListDriftReports, request, "drift_reports", limit)


@command(
    suppressions,
    "create",
    example="aeterna constraint suppressions create --pattern legacy/ 30d Old",
)
async def suppress(
    session: Session,
    period: Annotated[str, typer.Argument(help="For how long: 12h, 30d.")],
    reason: Annotated[str, typer.Argument(help="Why.")],
    policy: Annotated[
        str, typer.Option(help="Only findings of this policy.", show_default=False)
    ] = "",
    pattern: Annotated[
        str,
        typer.Option(help="Only those whose `key/rule path` this matches.", show_default=False),
    ] = "",
) -> Shown:
    """Make findings of drift reports not count for a while."""
    suppression = pb.DriftSuppression(
        policy=_named(policy) if policy else "",
        pattern=pattern,
        reason=reason,
        expire_time=ahead(period, "period"),
    )
    request = pb.CreateDriftSuppressionRequest(drift_suppression=suppression)
    return await session.constraints.CreateDriftSuppression(request)


@command(suppressions, "list")
async def list_suppressions(session: Session, limit: Limit = 50) -> Shown:
    """List suppressions that have not expired, newest first."""
    request = pb.ListDriftSuppressionsRequest()
    call = session.constraints.ListDriftSuppressions
    return await collect(call, request, "drift_suppressions", limit)


@command(suppressions, "delete")
async def unsuppress(
    session: Session,
    suppression: Annotated[str, typer.Argument(help="driftSuppressions/{uuid}, or the uuid.")],
) -> Shown:
    """End a suppression."""
    request = pb.DeleteDriftSuppressionRequest(name=name("driftSuppressions", suppression))
    await session.constraints.DeleteDriftSuppression(request)
    return f"{request.name} is deleted."


def _named(text: str) -> str:
    return name("constraintPolicies", text)


def _adopted(text: str) -> pb.AdoptedPolicy:
    policy, _, version = text.rpartition("=")
    if not version.isdecimal():
        raise invalid("adopted", "must be a policy and a version as 0198...=3")
    return pb.AdoptedPolicy(policy=_named(policy), version=int(version))


def _policy(file: Path) -> pb.ConstraintPolicy:
    """The policy that a file says; the service judges what is in it."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        rules = [_rule(each) for each in values.pop("rule", [])]
        for field in ("mode", "merge"):
            if field in values:
                values[field] = f"POLICY_{field.upper()}_{values[field].upper()}"
        policy: pb.ConstraintPolicy = ParseDict({**values, "rules": rules}, pb.ConstraintPolicy())
    except (ValueError, ParseError, AttributeError, TypeError) as exc:
        raise invalid("rules", f"the file is not as docs/constraints.md says: {exc}") from exc
    return policy


def _rule(values: dict[str, Any]) -> dict[str, Any]:
    return {
        field: f"{_ENUMS[field]}_{value.upper()}" if field in _ENUMS else value
        for field, value in values.items()
    }
