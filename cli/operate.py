"""`aeterna migrate` and `aeterna token`: for those who run the platform."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli import interrupts
from cli.arguments import duration
from cli.command import given
from cli.exits import exits
from cli.options import DataFolder, Options, Output
from cli.session import local_issuer
from libs.errors import invalid

_CAPABILITIES = ("memory:read", "memory:write", "knowledge:read")  # of agents, unless told


def migrate(
    ctx: typer.Context,
    dsn: Annotated[
        str | None,
        typer.Option(
            help="postgresql://host:port/name, without role and password.",
            envvar="AETERNA_DSN",
            show_default="the PostgreSQL of the data folder",
        ),
    ] = None,
    user: Annotated[str, typer.Option(help="The role that owns the tables.")] = "aeterna_owner",
    password: Annotated[
        str | None,
        typer.Option(
            help="Of the role; better in the variable than on the command line.",
            envvar="AETERNA_DB_PASSWORD",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing: end with 0 if it is up to date, else not."),
    ] = False,
    wait: Annotated[
        int | None,
        typer.Option(
            min=0, help="As --check, but for so many seconds until it is.", show_default=False
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Then register the database, in itself, as this shard, where new tenants go.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    data: DataFolder = None,
) -> None:
    """Bring a database up to date; each file that runs is logged. Safe to repeat.

    `serve all` does this for its own folder by itself. A service's role may --check and --wait.
    """
    with exits():
        checks = check or wait is not None
        if shard is not None:
            _refuse_shard(shard, dsn, checks=checks)
        if checks:
            interrupts.run(_check(dsn, user, password, timedelta(seconds=wait or 0)))
            print("The database is up to date.")
            return
        from libs import logs

        logs.configure()
        folder = given(ctx, {"data": data}).folder
        done = interrupts.run(_migrate(dsn, user, password, shard, folder))
        registered = f" and registered as the shard {shard}" if shard else ""
        print(f"{done} migrations ran; the database is up to date{registered}.")


def _refuse_shard(shard: str, dsn: str | None, *, checks: bool) -> None:
    """Raises InvalidRequest when it cannot be registered as asked."""
    from libs.tenancy import parse_label

    parse_label(shard, "shard")
    if checks:
        raise invalid("shard", "--check and --wait change nothing")
    if not dsn:
        raise invalid("shard", "the data folder registers itself; name a database with --dsn")
    if "@" in urlsplit(dsn).netloc:
        raise invalid("dsn", "services read it: leave the role and the password out")


async def _check(dsn: str | None, user: str, password: str | None, patience: timedelta) -> None:
    if not dsn:
        raise invalid("dsn", "name the database to check with --dsn or AETERNA_DSN")
    from cli.schema import check_database

    await check_database(dsn, user, password, patience=patience)


async def _migrate(
    dsn: str | None, user: str, password: str | None, shard: str | None, folder: Path
) -> int:
    if dsn:
        from cli.schema import migrate_database

        return await migrate_database(dsn, user, password, shard=shard)
    from cli.embedded import open_stores

    async with open_stores(folder) as stores:
        return stores.migrated


def token(
    ctx: typer.Context,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="viewer, developer, tech_lead, architect, admin, tenant_admin, platform_admin or"
            " agent; may be repeated.",
            show_default="developer",
        ),
    ] = None,
    agent: Annotated[
        str, typer.Option(help="An agent that acts for the subject.", show_default=False)
    ] = "",
    capability: Annotated[
        list[str] | None,
        typer.Option(
            help="What the agent may do, unless it is registered: memory:write ...",
            show_default="memory:read, memory:write, knowledge:read",
        ),
    ] = None,
    lifetime: Annotated[
        str, typer.Option(help="How long it is valid, at most 24h: 90s, 15m, 12h.")
    ] = "12h",
    tenant: Annotated[str | None, typer.Option(help=r"The tenant. \[env: AETERNA_TENANT]")] = None,
    subject: Annotated[str | None, typer.Option(help="Whom it names.", show_default="you")] = None,
    data: DataFolder = None,
    output: Annotated[Output | None, typer.Option(help="Default: table")] = None,
) -> None:
    """Mint a bearer token from the issuer of the data folder."""
    options = given(ctx, {"tenant": tenant, "as_subject": subject, "data": data, "output": output})
    with exits():
        if not options.tenant:
            raise invalid("tenant", "name it with --tenant or AETERNA_TENANT")
        roles, valid_for = role or ["developer"], duration(lifetime, "lifetime")
        who = agent, capability or list(_CAPABILITIES)
        minted = interrupts.run(_mint(options, options.tenant, roles, who, valid_for))
        print(json.dumps({"token": minted}) if options.output is Output.JSON else minted)


async def _mint(
    options: Options,
    tenant: str,
    roles: list[str],
    agent: tuple[str, list[str]],
    lifetime: timedelta,
) -> str:
    issuer = await local_issuer(options.folder)
    from libs.auth import Role
    from libs.authorization.rules import CAPABILITIES
    from libs.tenancy import parse_tenant_id

    for each in roles:
        if each not in list(Role):
            raise invalid("role", f"must be one of {', '.join(Role)}")
    for each in agent[1]:
        if each not in CAPABILITIES:
            raise invalid("capability", f"must be one of {', '.join(sorted(CAPABILITIES))}")
    names = [Role(each) for each in roles]
    return issuer.mint(parse_tenant_id(tenant), options.caller, names, agent[0], lifetime, agent[1])
