"""The `aeterna` command: serve, migrate and the client commands."""

import inspect
from importlib.metadata import version
from typing import Annotated, Any

import typer

from cli import (
    access,
    agents,
    alerts,
    anomalies,
    approval,
    audit,
    budgets,
    changes,
    consent,
    constraint,
    costs,
    demo,
    documents,
    erasure,
    export,
    health,
    keys,
    knowledge,
    live,
    memory,
    memory_all,
    memory_find,
    memory_life,
    memory_settings,
    operate,
    operations,
    policies,
    roles,
    serve,
    tenants,
)
from cli.command import command, given, shared_parameters
from cli.exits import EXIT_CODES_HELP
from cli.release import commands as release

_HELP = """The memory and knowledge platform of a company's AI agents.

[bold]Start here:[/bold]

aeterna demo

aeterna serve all

aeterna tenant create acme

aeterna --tenant acme memory add "Deploys are frozen on Fridays." --layer company

aeterna --tenant acme memory search "may I release today?"
"""
_RUN, _USE, _GOVERN = "Run it", "Use it", "Govern it"

app = typer.Typer(
    help=_HELP,
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"aeterna {version('aeterna')}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    **shared: Any,
) -> None:
    ctx.obj = given(ctx, shared)


def _with_shared_options(function: Any) -> Any:
    """Lets Typer see the shared options in place of `**shared`."""
    own = list(inspect.signature(function).parameters.values())[:-1]
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in [*own, *shared_parameters(with_environment=True)]
    ]
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


app.callback()(_with_shared_options(_root))
app.add_typer(serve.app, name="serve", rich_help_panel=_RUN)
app.command("migrate", rich_help_panel=_RUN)(operate.migrate)
app.command("health", rich_help_panel=_RUN)(health.health)
app.command("demo", rich_help_panel=_RUN)(demo.demo)
app.add_typer(release.app, name="release", rich_help_panel=_RUN)
app.add_typer(memory.app, name="memory", rich_help_panel=_USE)
memory.app.add_typer(memory_find.app)
memory.app.add_typer(memory_all.app)
memory.app.add_typer(memory_life.app)
memory.app.add_typer(memory_settings.app, name="settings")
app.add_typer(knowledge.app, name="knowledge", rich_help_panel=_USE)
app.add_typer(documents.app, name="document", rich_help_panel=_USE)
app.add_typer(live.app, name="live", rich_help_panel=_USE)
app.add_typer(operations.app, name="operations", rich_help_panel=_USE)
command(app, "changes", panel=_USE, example="aeterna changes --since 0 --output json")(
    changes.follow
)
app.add_typer(tenants.app, name="tenant", rich_help_panel=_GOVERN)
app.add_typer(roles.app, name="role", rich_help_panel=_GOVERN)
app.add_typer(agents.app, name="agent", rich_help_panel=_GOVERN)
app.add_typer(policies.app, name="policy", rich_help_panel=_GOVERN)
command(app, "check", panel=_GOVERN, example="aeterna check alice read memories --team payments")(
    access.check
)
app.command("token", rich_help_panel=_GOVERN)(operate.token)
app.add_typer(keys.app, name="keys", rich_help_panel=_GOVERN)
app.add_typer(audit.app, name="audit", rich_help_panel=_GOVERN)
app.add_typer(anomalies.app, name="anomaly", rich_help_panel=_GOVERN)
app.add_typer(costs.app, name="cost", rich_help_panel=_GOVERN)
app.add_typer(budgets.app, name="budget", rich_help_panel=_GOVERN)
app.add_typer(alerts.app, name="webhook", rich_help_panel=_GOVERN)
command(app, "alerts", panel=_GOVERN, example="aeterna alerts --filter 'severity = \"high\"'")(
    alerts.alerts
)
app.add_typer(approval.app, name="approval", rich_help_panel=_GOVERN)
app.add_typer(constraint.app, name="constraint", rich_help_panel=_GOVERN)
app.add_typer(consent.app, name="consent", rich_help_panel=_GOVERN)
app.add_typer(export.app, name="export", rich_help_panel=_GOVERN)
app.add_typer(erasure.app, name="erasure", rich_help_panel=_GOVERN)


def main() -> None:
    """The entry point."""
    app(prog_name="aeterna")


if __name__ == "__main__":
    main()
