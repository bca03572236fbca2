"""`aeterna webhook` and `aeterna alerts`: what a tenant is alarmed about, and where it is told."""

from typing import Annotated

import typer

from aeterna.governance.v1 import alerts_pb2 as pb
from cli.arguments import name, text_or_input
from cli.command import command
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Create, test and watch webhooks for alerts.", no_args_is_help=True)

Label = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its label.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind", help="Only alerts of this kind and those below it: budget.", show_default=False
    ),
]
Secret = Annotated[
    str,
    typer.Option(help="whsec_ and base64; - reads standard input.", show_default=False),
]
Version = Annotated[int, typer.Option(help="Only if this is still the version; 0: whichever.")]


@command(app, "create", example="aeterna webhook create ops https://ops.example.com/aeterna")
async def create(
    session: Session,
    label: Label,
    url: Annotated[str, typer.Argument(help="Where alerts are sent: https.")],
    kind: Kinds = None,
    secret: Secret = "",
) -> Shown:
    """Create a webhook; the answer alone tells its secret. Needs an administrator."""
    webhook = pb.Webhook(url=url, kinds=kind or [], secret=text_or_input(secret))
    request = pb.CreateWebhookRequest(webhook_id=label, webhook=webhook)
    return await session.alerts.CreateWebhook(request)


@command(app, "list")
async def list_(session: Session, limit: Limit = 50) -> Shown:
    """List webhooks."""
    return await collect(session.alerts.ListWebhooks, pb.ListWebhooksRequest(), "webhooks", limit)


@command(app, "show")
async def show(session: Session, label: Label) -> Shown:
    """Show one webhook, without its secret."""
    return await session.alerts.GetWebhook(pb.GetWebhookRequest(name=name("webhooks", label)))


@command(app, "update", example="aeterna webhook update ops --disable")
async def update(
    session: Session,
    label: Label,
    url: Annotated[str, typer.Option(help="Where alerts are sent.", show_default=False)] = "",
    kind: Kinds = None,
    secret: Secret = "",
    disabled: Annotated[
        bool | None,
        typer.Option("--disable/--enable", help="Send nothing, or again.", show_default=False),
    ] = None,
    version: Version = 0,
) -> Shown:
    """Change what is given."""
    request = pb.UpdateWebhookRequest()
    webhook, paths = request.webhook, request.update_mask.paths
    webhook.name, webhook.version = name("webhooks", label), version
    if url:
        webhook.url = url
        paths.append("url")
    if kind:
        webhook.kinds.extend(kind)
        paths.append("kinds")
    if secret:
        webhook.secret = text_or_input(secret)
        paths.append("secret")
    if disabled is not None:
        webhook.disabled = disabled
        paths.append("disabled")
    return await session.alerts.UpdateWebhook(request)


@command(app, "delete")
async def delete(session: Session, label: Label, version: Version = 0) -> Shown:
    """Delete a webhook and what waits for it."""
    request = pb.DeleteWebhookRequest(name=name("webhooks", label), version=version)
    await session.alerts.DeleteWebhook(request)
    return f"{request.name} is deleted."


@command(app, "test")
async def test(session: Session, label: Label) -> Shown:
    """Send an alert to this webhook alone."""
    request = pb.TestWebhookRequest(name=name("webhooks", label))
    return await session.alerts.TestWebhook(request)


@command(app, "deliveries", example="aeterna webhook deliveries --filter 'state = \"dead\"'")
async def deliveries(
    session: Session,
    filter: Annotated[str, typer.Option(help="By webhook, state and create_time (AIP-160).")] = "",
    limit: Limit = 50,
) -> Shown:
    """List what was or is to be sent, newest first."""
    request = pb.ListWebhookDeliveriesRequest(filter=filter)
    return await collect(session.alerts.ListWebhookDeliveries, request, "deliveries", limit)


@command(app, "redeliver")
async def redeliver(
    session: Session,
    delivery: Annotated[str, typer.Argument(help="webhookDeliveries/{uuid}, or the uuid alone.")],
) -> Shown:
    """Send something again."""
    request = pb.RedeliverWebhookDeliveryRequest(name=name("webhookDeliveries", delivery))
    return await session.alerts.RedeliverWebhookDelivery(request)


async def alerts(
    session: Session,
    filter: Annotated[
        str, typer.Option(help="By kind, severity, resource and raise_time (AIP-160).")
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List alerts, newest first."""
    request = pb.ListAlertsRequest(filter=filter)
    return await collect(session.alerts.ListAlerts, request, "alerts", limit)
