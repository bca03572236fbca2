"""Webhooks through their RPCs, with a real receiver."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.governance.v1 import alerts_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.provider_http import Reply
from tests.fakes.webhook_receiver import Receiver, genuine, webhook_receiver
from tests.integration.costs.support import Spender
from tests.suite import Suite

DELIVERED, DEAD = pb.WEBHOOK_DELIVERY_STATE_DELIVERED, pb.WEBHOOK_DELIVERY_STATE_DEAD


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
async def acme(suite: Suite) -> Spender:
    """Of a suite that embeds offline."""
    return Spender(suite, await suite.create_tenant("acme"))


async def create(acme: Spender, label: str, url: str, **values: Any) -> pb.Webhook:
    request = pb.CreateWebhookRequest(
        webhook_id=label, webhook=pb.Webhook(url=url, **values), request_id=str(uuid4())
    )
    return await acme.suite.alerts.CreateWebhook(request, metadata=acme.metadata)


async def deliveries(acme: Spender, where: str = "") -> list[pb.WebhookDelivery]:
    request = pb.ListWebhookDeliveriesRequest(filter=where)
    answer = await acme.suite.alerts.ListWebhookDeliveries(request, metadata=acme.metadata)
    return list(answer.deliveries)


async def ended(acme: Spender, count: int) -> list[pb.WebhookDelivery]:
    async def check() -> bool:
        found = await deliveries(acme)
        return len([each for each in found if each.state in (DELIVERED, DEAD)]) == count

    await eventually(check)
    return await deliveries(acme)


async def test_a_passed_threshold_reaches_the_receiver_signed(
    acme: Spender, receiver: Receiver
) -> None:
    webhook = await create(acme, "ops", receiver.url, kinds=["budget"])
    await create(acme, "other", receiver.url, kinds=["anomaly"])
    await acme.create_budget("all", "10", threshold_percents=[80])

    await acme.spend("9")

    (delivery,) = await ended(acme, 1)
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DELIVERED, 1, 200)
    assert delivery.webhook == "webhooks/ops"
    (headers,) = receiver.received
    assert genuine(headers, webhook.secret)
    assert not genuine(headers, "whsec_" + "A" * 44)
    message = receiver.message()
    assert message["type"] == "budget.threshold"
    assert message["tenant"] == "acme"
    assert message["data"]["resource"] == "budgets/all"
    assert message["data"]["facts"]["percent"] == 80
    assert message["data"]["alert"] == delivery.alert
    assert headers["webhook-id"] == f"msg_{delivery.alert.removeprefix('alerts/')}"


async def test_what_fails_is_tried_again_with_the_same_id(
    acme: Spender, receiver: Receiver
) -> None:
    await create(acme, "ops", receiver.url)
    receiver.replies += [Reply(500), Reply(302)]
    request = pb.TestWebhookRequest(name="webhooks/ops")
    first = await acme.suite.alerts.TestWebhook(request, metadata=acme.metadata)
    assert first.state == pb.WEBHOOK_DELIVERY_STATE_PENDING

    await receiver.arrived.acquire()
    again = pb.RedeliverWebhookDeliveryRequest(name=first.name)
    for attempt in (1, 2):  # what waits is sent at once

        async def noted(attempt: int = attempt) -> bool:
            (delivery,) = await deliveries(acme)
            return delivery.attempts == attempt and bool(delivery.problem)

        await eventually(noted)
        await acme.suite.alerts.RedeliverWebhookDelivery(again, metadata=acme.metadata)
        await receiver.arrived.acquire()

    (delivery,) = await ended(acme, 1)
    assert (delivery.state, delivery.attempts) == (DELIVERED, 3)
    assert len({each["webhook-id"] for each in receiver.received}) == 1


async def test_what_is_given_up_is_listed_and_can_be_sent_again(
    acme: Spender, receiver: Receiver
) -> None:
    await create(acme, "ops", receiver.url)
    receiver.replies += [Reply(410)]
    request = pb.TestWebhookRequest(name="webhooks/ops")
    await acme.suite.alerts.TestWebhook(request, metadata=acme.metadata)

    await ended(acme, 1)
    (dead,) = await deliveries(acme, 'state = "dead"')
    assert (dead.last_status, dead.problem) == (410, "http_status")
    again = pb.RedeliverWebhookDeliveryRequest(name=dead.name)
    await acme.suite.alerts.RedeliverWebhookDelivery(again, metadata=acme.metadata)

    async def delivered() -> bool:
        return bool(await deliveries(acme, 'state = "delivered"'))

    await eventually(delivered)


async def test_nothing_but_a_test_is_sent_to_a_webhook_that_is_disabled(
    acme: Spender, receiver: Receiver
) -> None:
    await create(acme, "ops", receiver.url)
    await acme.create_budget("all", "10", threshold_percents=[80])
    receiver.replies += [Reply(500)]
    await acme.spend("9")
    await receiver.arrived.acquire()
    off = pb.UpdateWebhookRequest(webhook=pb.Webhook(name="webhooks/ops", disabled=True))
    await acme.suite.alerts.UpdateWebhook(off, metadata=acme.metadata)

    (delivery,) = await deliveries(acme)
    again = pb.RedeliverWebhookDeliveryRequest(name=delivery.name)  # or five seconds later
    await acme.suite.alerts.RedeliverWebhookDelivery(again, metadata=acme.metadata)

    (delivery,) = await ended(acme, 1)
    assert (delivery.state, delivery.problem) == (DEAD, "disabled")
    assert len(receiver.received) == 1
    test = pb.TestWebhookRequest(name="webhooks/ops")
    await acme.suite.alerts.TestWebhook(test, metadata=acme.metadata)
    await ended(acme, 2)
    assert receiver.message()["type"] == "webhook.test"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "http://example.com/",
        "https://",
        "https://ann:secret@example.com/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/",
        "https://example.com:0/",
        "https://exa mple.com/",
        "https://example..com/",
        f"https://{'a' * 64}.com/",
        "http://127.0.0.2.example.com/",
    ],
)
async def test_addresses_that_messages_must_not_go_to_are_refused(acme: Spender, url: str) -> None:
    with fails_with("INVALID_REQUEST", "webhook.url"):
        await create(acme, "ops", url)


@pytest.mark.parametrize("secret", ["x", "whsec_", "whsec_!!!", "whsec_AAAA", "AAAA" * 11])
async def test_a_secret_is_long_enough(acme: Spender, receiver: Receiver, secret: str) -> None:
    with fails_with("INVALID_REQUEST", "webhook.secret"):
        await create(acme, "ops", receiver.url, secret=secret)


async def test_webhooks_are_changed_listed_and_deleted(acme: Spender, receiver: Receiver) -> None:
    alerts, metadata = acme.suite.alerts, acme.metadata
    made = await create(acme, "ops", receiver.url)
    assert made.secret.startswith("whsec_")
    with fails_with("WEBHOOK_ALREADY_EXISTS"):
        await create(acme, "ops", receiver.url)
    shown = await alerts.GetWebhook(pb.GetWebhookRequest(name="webhooks/ops"), metadata=metadata)
    assert (shown.url, shown.secret, shown.version) == (receiver.url, "", 1)
    update = pb.UpdateWebhookRequest(
        webhook=pb.Webhook(name="webhooks/ops", disabled=True, version=1)
    )
    changed = await alerts.UpdateWebhook(update, metadata=metadata)
    assert (changed.disabled, changed.url, changed.version) == (True, receiver.url, 2)
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await alerts.UpdateWebhook(update, metadata=metadata)
    listed = await alerts.ListWebhooks(pb.ListWebhooksRequest(), metadata=metadata)
    assert [each.name for each in listed.webhooks] == ["webhooks/ops"]
    delete = pb.DeleteWebhookRequest(name="webhooks/ops")
    await alerts.DeleteWebhook(delete, metadata=metadata)
    with fails_with("WEBHOOK_NOT_FOUND"):
        await alerts.GetWebhook(pb.GetWebhookRequest(name="webhooks/ops"), metadata=metadata)
    developer = acme.suite.auth("acme", "dev", (Role.DEVELOPER,))
    with fails_with("PERMISSION_DENIED"):
        await alerts.ListWebhooks(pb.ListWebhooksRequest(), metadata=developer)


async def test_address_and_secret_are_sealed(acme: Spender, receiver: Receiver) -> None:
    made = await create(acme, "ops", receiver.url)
    async with acme.suite.database.connect() as superuser:
        row = await superuser.fetchrow("SELECT url, secret FROM aeterna.webhook")
    assert row is not None
    assert receiver.url.encode() not in row["url"]
    assert made.secret.encode() not in row["secret"]
