"""gRPC servicer of alerts and webhooks: translates, nothing else."""

import json
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from google.protobuf import empty_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from aeterna.governance.v1 import alerts_pb2 as pb
from aeterna.governance.v1 import alerts_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, Kind, parse
from libs.aip.names import resource_id, resource_uuid
from libs.aip.paging import Page
from libs.alerts import COLLECTION as ALERTS
from libs.alerts import Severity
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.keyring import Sealed as Blob
from libs.encryption.registry import WEBHOOK_SECRET, WEBHOOK_URL
from libs.service.caller import caller
from libs.service.convert import asked, masked, timestamp
from libs.service.pipeline import Context
from libs.tenancy import Route, parse_label
from services.governance.alerts.domain import (
    SECRET_BYTES,
    Delivery,
    Rules,
    State,
    Webhook,
    key_of,
    secret_of,
)
from services.governance.alerts.store import COLLECTION, DELIVERIES, PostgresAlerts, Sealed
from services.governance.api import after_label

_MUTABLE = ("url", "kinds", "disabled", "secret")
_STATES = {
    each: pb.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{each.name}") for each in State
}
_ALERT_FILTER = {
    "kind": Field("kind", Kind.TEXT),
    "severity": Field("severity", Kind.ENUM, {each.value: each.value for each in Severity}),
    "resource": Field("resource", Kind.TEXT),
    "raise_time": Field("raised_at", Kind.TIME),
}
_DELIVERY_FILTER = {
    "webhook": Field("webhook", Kind.TEXT),
    "state": Field("state", Kind.ENUM, {each.value: each.value for each in State}),
    "create_time": Field("created_at", Kind.TIME),
}


class AlertServicer(pb_grpc.AlertServiceServicer):
    """`aeterna.governance.v1.AlertService` over the store."""

    def __init__(self, alerts: PostgresAlerts, keyring: Keyring, rules: Rules) -> None:
        self._alerts, self._keyring, self._rules = alerts, keyring, rules

    async def ListAlerts(
        self, request: pb.ListAlertsRequest, context: Context
    ) -> pb.ListAlertsResponse:
        current = caller()
        where = parse(request.filter, _ALERT_FILTER)
        binding = f"ListAlerts/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        rows = await self._alerts.alerts(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(rows, _id)
        return pb.ListAlertsResponse(alerts=map(_alert, shown), next_page_token=token)

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Context) -> pb.Webhook:
        current, given = caller(), request.webhook
        route, label = current.route, parse_label(request.webhook_id, "webhook_id")
        self._rules.check(given.url, "webhook.url")
        key = key_of(given.secret, "webhook.secret") if given.secret else os.urandom(SECRET_BYTES)
        by = await asked(current, self._keyring, "CreateWebhook", request)
        sealed = await self._sealed(route, uuid4(), given.url, key)
        values = {"kinds": list(given.kinds), "enabled": not given.disabled}
        await self._alerts.create(route, by, label, sealed, values)
        made = await self._alerts.webhook(route, label)
        return await self._message(route, made, with_secret=True)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Context) -> pb.Webhook:
        route, label = caller().route, resource_id(request.name, COLLECTION)
        return await self._message(route, await self._alerts.webhook(route, label))

    async def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: Context
    ) -> pb.ListWebhooksResponse:
        current = caller()
        binding = f"ListWebhooks/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._alerts.webhooks(current.route, after_label(page), page.limit)
        shown, token = page.cut(found, lambda each: each.id)
        messages = [await self._message(current.route, each) for each in shown]
        return pb.ListWebhooksResponse(webhooks=messages, next_page_token=token)

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Context) -> pb.Webhook:
        current, given = caller(), request.webhook
        route, label = current.route, resource_id(given.name, COLLECTION, "webhook.name")
        names = masked(given, list(request.update_mask.paths), _MUTABLE)
        if "url" in names:
            self._rules.check(given.url, "webhook.url")
        key = key_of(given.secret, "webhook.secret") if "secret" in names else None
        by = await asked(current, self._keyring, "UpdateWebhook", request)
        row_id = (await self._alerts.webhook(route, label)).row_id
        url = given.url if "url" in names else None
        sealed = await self._sealed(route, row_id, url, key)
        values = {"kinds": list(given.kinds), "enabled": not given.disabled}
        chosen = {"kinds": "kinds", "disabled": "enabled"}
        changed = {chosen[name]: values[chosen[name]] for name in names if name in chosen}
        await self._alerts.update(route, by, label, given.version, sealed, changed)
        return await self._message(route, await self._alerts.webhook(route, label))

    async def DeleteWebhook(
        self, request: pb.DeleteWebhookRequest, context: Context
    ) -> empty_pb2.Empty:
        current, label = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "DeleteWebhook", request)
        await self._alerts.delete(current.route, by, label, request.version)
        return empty_pb2.Empty()

    async def TestWebhook(
        self, request: pb.TestWebhookRequest, context: Context
    ) -> pb.WebhookDelivery:
        current, label = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "TestWebhook", request)
        return _delivery(await self._alerts.test(current.route, by, label))

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Context
    ) -> pb.ListWebhookDeliveriesResponse:
        current = caller()
        where = parse(request.filter, _DELIVERY_FILTER)
        binding = f"ListWebhookDeliveries/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._alerts.deliveries(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda each: each.id)
        return pb.ListWebhookDeliveriesResponse(
            deliveries=map(_delivery, shown), next_page_token=token
        )

    async def RedeliverWebhookDelivery(
        self, request: pb.RedeliverWebhookDeliveryRequest, context: Context
    ) -> pb.WebhookDelivery:
        current, delivery = caller(), resource_uuid(request.name, DELIVERIES)
        by = await asked(current, self._keyring, "RedeliverWebhookDelivery", request)
        return _delivery(await self._alerts.redeliver(current.route, by, delivery))

    async def _sealed(
        self, route: Route, row_id: UUID, url: str | None, key: bytes | None
    ) -> Sealed:
        """What is given of both."""
        plains = []
        if url is not None:
            plains.append(Plain("", WEBHOOK_URL, row_id, url.encode()))
        if key is not None:
            plains.append(Plain("", WEBHOOK_SECRET, row_id, key))
        blobs: Sequence[bytes] = await self._keyring.seal(route, plains) if plains else []
        rest = iter(blobs)
        return Sealed(
            row_id,
            next(rest) if url is not None else None,
            next(rest) if key is not None else None,
        )

    async def _message(
        self, route: Route, webhook: Webhook, *, with_secret: bool = False
    ) -> pb.Webhook:
        blobs = [Blob(WEBHOOK_URL, webhook.row_id, webhook.url)]
        if with_secret:
            blobs.append(Blob(WEBHOOK_SECRET, webhook.row_id, webhook.secret))
        url, *key = await self._keyring.open(route, blobs)
        return pb.Webhook(
            name=f"{COLLECTION}/{webhook.id}",
            url=url.decode(),
            kinds=webhook.kinds,
            disabled=not webhook.enabled,
            secret=secret_of(key[0]) if key else "",
            version=webhook.version,
            change_number=webhook.number,
            create_time=timestamp(webhook.created_at),
            update_time=timestamp(webhook.updated_at),
        )


def _id(row: Any) -> UUID:
    found: UUID = row["id"]
    return found


def _alert(row: Any) -> pb.Alert:
    return pb.Alert(
        name=f"{ALERTS}/{row['id']}",
        kind=row["kind"],
        severity=pb.AlertSeverity.Value(f"ALERT_SEVERITY_{row['severity'].upper()}"),
        resource=row["resource"],
        facts=ParseDict(json.loads(row["facts"]), Struct()),
        change_number=row["number"],
        raise_time=timestamp(row["raised_at"]),
    )


def _delivery(delivery: Delivery) -> pb.WebhookDelivery:
    message = pb.WebhookDelivery(
        name=f"{DELIVERIES}/{delivery.id}",
        webhook=f"{COLLECTION}/{delivery.webhook}",
        alert=f"{ALERTS}/{delivery.alert}",
        state=_STATES[delivery.state],
        attempts=delivery.attempts,
        last_status=delivery.status,
        problem=delivery.problem,
        create_time=timestamp(delivery.created_at),
        update_time=timestamp(delivery.updated_at),
    )
    if delivery.due_at:
        message.next_attempt_time.CopyFrom(timestamp(delivery.due_at))
    return message
