"""`aeterna cost`: what the tenant uses, and what that costs."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from aeterna.governance.v1 import costs_pb2 as pb
from cli.arguments import enum, moment
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Show what is used, what it costs and will cost.", no_args_is_help=True)

Filter = Annotated[
    str,
    typer.Option(help="By service, kind, model, org_id, team_id and project_id (AIP-160)."),
]
Since = Annotated[
    str, typer.Option(metavar="TIME", help="From then; the first of the month.", show_default=False)
]
Until = Annotated[str, typer.Option(metavar="TIME", help="Up to then; now.", show_default=False)]


class Interval(StrEnum):
    """By which time costs are added up."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Dimension(StrEnum):
    """What costs are told apart by."""

    SERVICE = "service"
    KIND = "kind"
    MODEL = "model"
    ORG = "org"
    TEAM = "team"
    PROJECT = "project"


@command(app, "show", example="aeterna cost show --by project --by model")
async def show(
    session: Session,
    by: Annotated[
        list[Dimension] | None, typer.Option(help="What to tell apart; kind.", show_default=False)
    ] = None,
    since: Since = "",
    until: Until = "",
    filter: Filter = "",
    limit: Limit = 50,
) -> Shown:
    """Show what was used this month and what it cost."""
    request = pb.QueryCostsRequest(filter=filter, group_by=_dimensions(by or [Dimension.KIND]))
    _between(request, since, until)
    return await collect(session.costs.QueryCosts, request, "costs", limit)


@command(app, "history", example="aeterna cost history --interval day --since 2026-01-01T00:00:00Z")
async def history(
    session: Session,
    interval: Annotated[Interval, typer.Option(help="By which time.")] = Interval.DAY,
    by: Annotated[
        list[Dimension] | None, typer.Option(help="What to tell apart.", show_default=False)
    ] = None,
    since: Since = "",
    until: Until = "",
    filter: Filter = "",
    limit: Limit = 200,
) -> Shown:
    """Show what was used by the hour, day or month."""
    request = pb.QueryCostsRequest(filter=filter, group_by=_dimensions(by or []))
    request.interval = pb.CostInterval.ValueType(enum(pb.CostInterval, interval))
    _between(request, since, until)
    return await collect(session.costs.QueryCosts, request, "costs", limit)


@command(app, "top", example="aeterna cost top project")
async def top(
    session: Session,
    dimension: Annotated[Dimension, typer.Argument(help="What to compare.")],
    since: Since = "",
    until: Until = "",
    filter: Filter = "",
    limit: Limit = 10,
) -> Shown:
    """Show who or what cost the most."""
    (number,) = _dimensions([dimension])
    request = pb.ListTopConsumersRequest(dimension=number, filter=filter, limit=limit)
    _between(request, since, until)
    return list((await session.costs.ListTopConsumers(request)).consumers)


@command(app, "forecast")
async def forecast(session: Session, filter: Filter = "") -> Shown:
    """Show what this month will have cost, with an interval."""
    return await session.costs.ForecastCosts(pb.ForecastCostsRequest(filter=filter))


@command(app, "prices")
async def prices(session: Session) -> Shown:
    """Show the price table."""
    return await session.costs.ListPrices(pb.ListPricesRequest())


def _dimensions(chosen: list[Dimension]) -> list[pb.CostDimension.ValueType]:
    return [pb.CostDimension.ValueType(enum(pb.CostDimension, each)) for each in chosen]


def _between(request: Any, since: str, until: str) -> None:
    if since:
        request.start_time.CopyFrom(moment(since, "since"))
    if until:
        request.end_time.CopyFrom(moment(until, "until"))
