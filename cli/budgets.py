"""`aeterna budget`: what the tenant may spend."""

from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from aeterna.governance.v1 import budgets_pb2 as pb
from cli.arguments import duration, enum, money, name
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Create, show and change budgets.", no_args_is_help=True)

Label = Annotated[str, typer.Argument(metavar="BUDGET", help="Its label.")]
Threshold = Annotated[
    list[float] | None,
    typer.Option(help="Percent that are told of; 80, 90 and 100.", show_default=False),
]
Calls = Annotated[
    int, typer.Option(min=0, help="That throttling lets through once it is spent; 0: 6.")
]
Version = Annotated[int, typer.Option(help="Only if this is still the version; 0: whichever.")]


class Period(StrEnum):
    """When it begins anew."""

    MONTH = "month"
    DAY = "day"
    ROLLING = "rolling"


class Action(StrEnum):
    """What happens when it is spent."""

    NOTIFY = "notify"
    THROTTLE = "throttle"
    BLOCK = "block"


@command(app, "create", example="aeterna budget create web --limit 100 --team web --action block")
async def create(
    session: Session,
    label: Label,
    limit: Annotated[str, typer.Option(metavar="AMOUNT", help="Such as 100 or 2.50.")],
    currency: Annotated[str, typer.Option(help="Of the price table.")] = "USD",
    action: Annotated[Action, typer.Option(help="What happens when it is spent.")] = Action.NOTIFY,
    period: Annotated[Period, typer.Option(help="When it begins anew.")] = Period.MONTH,
    window: Annotated[
        str, typer.Option(help="Of a rolling one: 24h, 30d.", show_default=False)
    ] = "",
    org: Annotated[str, typer.Option(help="Only what is done for it.", show_default=False)] = "",
    team: Annotated[str, typer.Option(help="Likewise.", show_default=False)] = "",
    project: Annotated[str, typer.Option(help="Likewise.", show_default=False)] = "",
    model: Annotated[str, typer.Option(help="Only its calls.", show_default=False)] = "",
    threshold: Threshold = None,
    calls_per_minute: Calls = 0,
) -> Shown:
    """Create a budget; needs an administrator."""
    budget = pb.Budget(
        limit=_money(limit, currency),
        org_id=org,
        team_id=team,
        project_id=project,
        model=model,
        period=pb.BudgetPeriod.ValueType(enum(pb.BudgetPeriod, period)),
        action=pb.BudgetAction.ValueType(enum(pb.BudgetAction, action)),
        threshold_percents=threshold or [],
        calls_per_minute=calls_per_minute,
    )
    if window:
        length = Duration()
        length.FromTimedelta(duration(window, "window"))
        budget.window.CopyFrom(length)
    request = pb.CreateBudgetRequest(budget_id=label, budget=budget)
    return await session.budgets.CreateBudget(request)


@command(app, "list")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List budgets, with what is spent."""
    return await collect(session.budgets.ListBudgets, pb.ListBudgetsRequest(), "budgets", limit)


@command(app, "show")
async def show(session: Session, label: Label) -> Shown:
    """Show one budget, with what is spent and reserved."""
    return await session.budgets.GetBudget(pb.GetBudgetRequest(name=name("budgets", label)))


@command(app, "update", example="aeterna budget update web --limit 200")
async def update(
    session: Session,
    label: Label,
    limit: Annotated[str, typer.Option(metavar="AMOUNT", show_default=False)] = "",
    currency: Annotated[str, typer.Option(help="Of the price table.")] = "USD",
    action: Annotated[Action | None, typer.Option(show_default=False)] = None,
    threshold: Threshold = None,
    calls_per_minute: Calls = 0,
    version: Version = 0,
) -> Shown:
    """Change what is given; needs an administrator."""
    request = pb.UpdateBudgetRequest()
    budget, paths = request.budget, request.update_mask.paths
    budget.name, budget.version = name("budgets", label), version
    if limit:
        budget.limit.CopyFrom(_money(limit, currency))
        paths.append("limit")
    if action:
        budget.action = pb.BudgetAction.ValueType(enum(pb.BudgetAction, action))
        paths.append("action")
    if threshold:
        budget.threshold_percents.extend(threshold)
        paths.append("threshold_percents")
    if calls_per_minute:
        budget.calls_per_minute = calls_per_minute
        paths.append("calls_per_minute")
    return await session.budgets.UpdateBudget(request)


@command(app, "delete")
async def delete(session: Session, label: Label, version: Version = 0) -> Shown:
    """Delete a budget; needs an administrator."""
    request = pb.DeleteBudgetRequest(name=name("budgets", label), version=version)
    await session.budgets.DeleteBudget(request)
    return f"{request.name} is deleted."


def _money(text: str, currency: str) -> Money:
    return money(text, currency, "limit")
