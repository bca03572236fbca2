"""`aeterna role`: who has which role where, and who may do nothing for a while."""

from enum import StrEnum
from typing import Annotated

import typer

from aeterna.governance.v1 import roles_pb2 as pb
from cli.arguments import enum, moment, name
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Give people roles, take them away, suspend people.", no_args_is_help=True)


class Role(StrEnum):
    """What somebody is to the tenant, weakest first."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    TECH_LEAD = "tech_lead"
    ARCHITECT = "architect"
    ADMIN = "admin"
    TENANT_ADMIN = "tenant_admin"


User = Annotated[str, typer.Argument(help="The user, as tokens name their subject.")]


@command(app, "assign", example="aeterna role assign alice tech_lead --team payments")
async def assign(
    session: Session,
    user: User,
    role: Annotated[Role, typer.Argument(help="The role.")],
    org: Annotated[str, typer.Option(help="Only in this organisation.")] = "",
    team: Annotated[str, typer.Option(help="Only in this team.")] = "",
    project: Annotated[str, typer.Option(help="Only in this project.")] = "",
    until: Annotated[
        str, typer.Option(help="When it ends, as 2026-01-31T09:00:00Z.", show_default="never")
    ] = "",
) -> Shown:
    """Give somebody a role, in the whole tenant or inside a scope."""
    binding = pb.RoleBinding(
        user=user,
        role=pb.Role.ValueType(enum(pb.Role, role)),
        scope=pb.RoleScope(org_id=org, team_id=team, project_id=project),
        expire_time=moment(until, "until") if until else None,
    )
    return await session.roles.AssignRole(pb.AssignRoleRequest(role_binding=binding))


@command(app, "revoke", example="aeterna role revoke 0198f2c4-0000-7000-8000-000000000000")
async def revoke(
    session: Session,
    binding: Annotated[str, typer.Argument(help="roleBindings/{uuid}, or the uuid alone.")],
) -> Shown:
    """Take a role away."""
    await session.roles.RevokeRole(pb.RevokeRoleRequest(name=name("roleBindings", binding)))
    return "revoked"


@command(app, "list", example="aeterna role list --filter 'user = \"alice\"'")
async def list_(
    session: Session,
    filter: Annotated[
        str, typer.Option(help="Compares user, role, org_id, team_id, project_id, expire_time.")
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List who has which role where, newest first."""
    request = pb.ListRoleBindingsRequest(filter=filter)
    return await collect(session.roles.ListRoleBindings, request, "role_bindings", limit)


@command(app, "suspend")
async def suspend(session: Session, user: User) -> Shown:
    """Refuse all that somebody asks for, until he is resumed."""
    return await session.roles.SuspendUser(pb.SuspendUserRequest(user=user))


@command(app, "resume")
async def resume(session: Session, user: User) -> Shown:
    """End a suspension."""
    await session.roles.ResumeUser(pb.ResumeUserRequest(user=user))
    return "resumed"


@command(app, "suspended")
async def suspended(session: Session, limit: Limit = 50) -> Shown:
    """List who is suspended."""
    request = pb.ListSuspendedUsersRequest()
    return await collect(session.roles.ListSuspendedUsers, request, "users", limit)
