"""`aeterna release SERVICE`, `aeterna release rollback SERVICE` and `aeterna release status`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cli.arguments import duration
from cli.command import given
from cli.endpoints import SERVICES
from cli.exits import exits
from libs.clients import Tls
from libs.errors import AppError, Kind, invalid

if TYPE_CHECKING:
    from cli.release.cluster import Target
    from cli.release.plan import Goal, Observed

_DEPLOY = "deploy"


class _DeployByDefault(TyperGroup):
    """`aeterna release memory` is `aeterna release deploy memory`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_DEPLOY, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DeployByDefault,
    help="Blue-green releases in Kubernetes: `release SERVICE` deploys, checks, moves the traffic.",
    epilog="[bold]Example:[/bold]\n\naeterna release memory --image 0.2.0\n\n"
    "aeterna release --all\n\naeterna release rollback memory",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Default: the context's.", show_default=False),
]
Context = Annotated[
    str | None,
    typer.Option(help="Of the kubeconfig. Default: the current one.", show_default=False),
]
Instance = Annotated[
    str, typer.Option(help="Helm release, where a namespace has several.", show_default=False)
]
Drain = Annotated[
    str, typer.Option(help="How long the old pods stay, for the connections to them.")
]
Services = Annotated[
    list[str] | None,
    typer.Argument(help=", ".join(SERVICES), metavar="[SERVICE...]", show_default=False),
]
Every = Annotated[bool, typer.Option("--all", help="All four, one after the other.")]


class ReleaseToolMissing(AppError):
    """The client of Kubernetes is not installed."""

    kind, reason = Kind.PRECONDITION, "RELEASE_TOOL_MISSING"

    def __init__(self) -> None:
        super().__init__("Install the extra for it: pip install 'aeterna[release]'.")


@dataclass(frozen=True)
class Where:
    """Which objects of which cluster, and how its services are called."""

    namespace: str | None
    context: str | None
    instance: str
    tls: Tls | None


@app.command(_DEPLOY)
def deploy(
    ctx: typer.Context,
    services: Services = None,
    every: Every = False,
    image: Annotated[
        str | None,
        typer.Option(
            help="A tag, or a whole reference. Default: what Helm gave to the idle colour.",
            show_default=False,
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    instance: Instance = "",
    watch: Annotated[
        str, typer.Option(help="How long after the switch errors take it back.")
    ] = "60s",
    drain: Drain = "180s",
    deadline: Annotated[str, typer.Option(help="For the new pods to get ready.")] = "10m",
    max_errors: Annotated[
        float, typer.Option(min=0, max=1, help="Share of calls that may end by a service's fault.")
    ] = 0.01,
) -> None:
    """Deploy the idle colour, check it, move the traffic to it, watch, end the old one."""
    with exits():
        _require_tool()
        from cli.release.run import Terms, release_goal

        terms = Terms(
            duration(deadline, "deadline"),
            duration(watch, "watch"),
            duration(drain, "drain"),
        )
        where = Where(namespace, context, instance, given(ctx, {}).tls)

        def goal(seen: "Observed") -> "Goal":
            return release_goal(seen, image, terms)

        work = _releasing(goal, where, max_errors=max_errors)
        asyncio.run(_each(where, _chosen(services, every), work))


@app.command("rollback")
def rollback(
    ctx: typer.Context,
    services: Services = None,
    every: Every = False,
    namespace: Namespace = None,
    context: Context = None,
    instance: Instance = "",
    drain: Drain = "180s",
) -> None:
    """Move the traffic back to the other colour, whose pods are started again if they are gone."""
    with exits():
        _require_tool()
        from cli.release.run import Terms, rollback_goal

        terms = Terms(drain=duration(drain, "drain"))
        where = Where(namespace, context, instance, given(ctx, {}).tls)

        def goal(seen: "Observed") -> "Goal":
            return rollback_goal(seen, terms)

        work = _releasing(goal, where, checked=True)
        asyncio.run(_each(where, _chosen(services, every), work))


@app.command("status")
def status(namespace: Namespace = None, context: Context = None, instance: Instance = "") -> None:
    """Show the colours of each service, and which one is live."""
    with exits():
        _require_tool()
        asyncio.run(_each(Where(namespace, context, instance, None), SERVICES, _show))


def _chosen(services: list[str] | None, every: bool) -> Sequence[str]:
    if bool(services) is every:
        raise invalid("service", "name services, or give --all")
    for each in services or ():
        if each not in SERVICES:
            raise invalid("service", f"must be one of {', '.join(SERVICES)}")
    return services or SERVICES


def _require_tool() -> None:
    try:
        import kr8s  # noqa: F401 - only whether it is there
    except ImportError:
        raise ReleaseToolMissing from None


async def _each(
    where: Where, services: Sequence[str], work: Callable[["Target"], Awaitable[None]]
) -> None:
    """One service after the other; the first that fails is the last."""
    from cli.release.cluster import Target, open_api

    api = await open_api(where.namespace, where.context)
    try:
        for service in services:
            await work(Target(api, service, where.instance))
    finally:
        # Forwarded connections may still be open: Python 3.11 logs cutting them off as errors.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)


def _releasing(
    goal: Callable[["Observed"], "Goal"],
    where: Where,
    *,
    max_errors: float = 1,
    checked: bool = False,
) -> Callable[["Target"], Awaitable[None]]:
    from cli.release.checks import ask_pods
    from cli.release.plan import Color
    from cli.release.run import Run

    async def release(target: "Target") -> None:
        async def reports(color: Color) -> Any:
            return await ask_pods(target, color, where.tls)

        to = goal(await target.observe())
        await Run(target, to, reports, _say, max_errors=max_errors, checked=checked)()

    return release


def _say(line: str) -> None:
    print(line, flush=True)


async def _show(target: "Target") -> None:
    from cli.release.cluster import NotReleasable

    try:
        seen = await target.observe()
    except NotReleasable:
        print(f"{target.service:<12} not installed here")
        return
    for color, each in seen.colors.items():
        role, pods = "live" if color is seen.live else "idle", f"{each.ready}/{each.replicas}"
        print(f"{target.service:<12} {color:<6} {role:<5} {pods:<6} {each.image}")
    if seen.switched:
        print(f"{target.service:<12} a release has not ended: traffic moved {seen.switched}")
