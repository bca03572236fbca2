"""`aeterna tenant`: the tenants of the platform."""

from typing import Annotated

import typer

from aeterna.governance.v1 import tenants_pb2 as pb
from cli.arguments import name
from cli.command import command
from cli.paging import Limit, collect
from cli.session import PLATFORM_ADMIN, Session
from cli.show import Shown

app = typer.Typer(help="Create, suspend and resume tenants.", no_args_is_help=True)

Label = Annotated[str, typer.Argument(metavar="TENANT", help="Its label: a-z, 0-9 and hyphens.")]


@command(app, "create", role=PLATFORM_ADMIN, example='aeterna tenant create acme --name "Acme Inc"')
async def create(
    session: Session,
    label: Label,
    name: Annotated[str, typer.Option(help="For people to read.")] = "",
    shard: Annotated[
        str, typer.Option(help="Where to place it.", show_default="the emptiest shared one")
    ] = "",
) -> Shown:
    """Create a tenant with its keys; it is usable at once."""
    request = pb.CreateTenantRequest(
        tenant_id=label, tenant=pb.Tenant(display_name=name), shard=shard
    )
    return await session.tenants.CreateTenant(request)


@command(app, "get", role=PLATFORM_ADMIN)
async def get(session: Session, label: Label) -> Shown:
    """Show one tenant."""
    return await session.tenants.GetTenant(pb.GetTenantRequest(name=name("tenants", label)))


@command(app, "list", role=PLATFORM_ADMIN)
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List tenants by name."""
    return await collect(session.tenants.ListTenants, pb.ListTenantsRequest(), "tenants", limit)


@command(app, "suspend", role=PLATFORM_ADMIN)
async def suspend(session: Session, label: Label) -> Shown:
    """Refuse every read and write of a tenant, until it is resumed."""
    request = pb.SuspendTenantRequest(name=name("tenants", label))
    return await session.tenants.SuspendTenant(request)


@command(app, "resume", role=PLATFORM_ADMIN)
async def resume(session: Session, label: Label) -> Shown:
    """End a suspension."""
    request = pb.ResumeTenantRequest(name=name("tenants", label))
    return await session.tenants.ResumeTenant(request)
