"""Alerts, webhooks and the outbox in PostgreSQL."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.alerts import Alert, Severity, raise_alert
from libs.changes import Asked, Change, Operation
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.alerts.domain import Delivery, State, Told, Webhook
from services.governance.alerts.errors import (
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookAlreadyExists,
    WebhookNotFound,
    WebhookVersionMismatch,
)

COLLECTION, DELIVERIES = "webhooks", "webhookDeliveries"
TEST = "webhook.test"
MOST = 50  # webhooks of a tenant
_LEASE = timedelta(seconds=30)  # of an attempt, longer than it can take
_DAY = timedelta(days=1)
_ALERTS = """
    SELECT * FROM aeterna.alert
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){where} ORDER BY id DESC LIMIT $3
"""
_WEBHOOK = "SELECT * FROM aeterna.webhook WHERE tenant_id = $1 AND id = $2"
_WEBHOOKS = """
    SELECT * FROM aeterna.webhook WHERE tenant_id = $1 AND id > $2 COLLATE "C" ORDER BY id LIMIT $3
"""
_COUNT = "SELECT count(*) FROM aeterna.webhook WHERE tenant_id = $1"
_ADD = """
    INSERT INTO aeterna.webhook (tenant_id, id, row_id, url, secret, kinds, enabled, version,
        number, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, now(), now())
"""
_UPDATE = """
    UPDATE aeterna.webhook SET url = coalesce($3, url), secret = coalesce($4, secret),
        kinds = coalesce($5, kinds), enabled = coalesce($6, enabled), version = version + 1,
        number = $7, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
_DELETE = "DELETE FROM aeterna.webhook WHERE tenant_id = $1 AND id = $2"
_DELIVERY = "SELECT * FROM aeterna.webhook_delivery WHERE tenant_id = $1 AND id = $2"
_DELIVERIES = """
    SELECT * FROM aeterna.webhook_delivery
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){where} ORDER BY id DESC LIMIT $3
"""
_ONLY_TO = """
    DELETE FROM aeterna.webhook_delivery WHERE tenant_id = $1 AND alert = $2 AND webhook <> $3
"""
_SEND_TO = """
    INSERT INTO aeterna.webhook_delivery (tenant_id, id, webhook, alert, due_at, retry_until,
        created_at, updated_at)
    SELECT $1, uuidv7(), $3, $2, now(), now() + $4::interval, now(), now()
    WHERE NOT EXISTS (SELECT FROM aeterna.webhook_delivery
        WHERE tenant_id = $1 AND alert = $2 AND webhook = $3)
"""
_OF_ALERT = "SELECT * FROM aeterna.webhook_delivery WHERE tenant_id = $1 AND alert = $2"
_AGAIN = """
    UPDATE aeterna.webhook_delivery SET state = 'pending', due_at = now(), problem = '',
        retry_until = now() + $3::interval, updated_at = now()
    WHERE tenant_id = $1 AND id = $2 RETURNING id
"""
_CLAIM = """
    WITH claimed AS (
        UPDATE aeterna.webhook_delivery SET due_at = now() + $2::interval, attempts = attempts + 1,
            updated_at = now()
        WHERE tenant_id = $1 AND id IN (
            SELECT id FROM aeterna.webhook_delivery
            WHERE tenant_id = $1 AND due_at <= now() ORDER BY due_at LIMIT $3)
        RETURNING *
    )
    SELECT c.id, c.attempts, c.retry_until, w.id AS webhook, w.row_id, w.url, w.secret, w.enabled,
        a.id AS alert, a.kind, a.severity, a.resource, a.facts, a.number, a.raised_at
    FROM claimed AS c
    JOIN aeterna.webhook AS w ON w.tenant_id = $1 AND w.id = c.webhook
    JOIN aeterna.alert AS a ON a.tenant_id = $1 AND a.id = c.alert
"""
_END = """
    UPDATE aeterna.webhook_delivery SET state = $4, status = $5, problem = $6, updated_at = now(),
        due_at = CASE $4 WHEN 'pending' THEN now() + $7::interval END
    WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND due_at IS NOT NULL
"""
WHOM = "SELECT * FROM aeterna.tenants_with_deliveries()"


class Sealed(NamedTuple):
    """What is sealed of a webhook; None: as it is."""

    row_id: UUID
    url: bytes | None
    secret: bytes | None


class Due(NamedTuple):
    """A delivery that this process has claimed."""

    id: UUID
    attempts: int
    retry_until: datetime
    webhook: str
    row_id: UUID
    url: bytes
    secret: bytes
    enabled: bool
    alert: UUID
    message: dict[str, Any]

    @property
    def wanted(self) -> bool:
        """Whether it is to be sent: by a webhook that is disabled only what tests it."""
        return self.enabled or self.message["type"] == TEST


@dataclass(frozen=True)
class PostgresAlerts:
    """Every method raises StoreUnavailable when the shard cannot be reached; those that write
    TenantMoved and TenantSuspended when it refuses the writer, and RequestIdReused."""

    wakeups: Wakeups

    async def alerts(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[asyncpg.Record]:
        """Newest first."""
        conditions, values = to_sql(where, 4)
        return await read(route, _ALERTS.format(where=conditions), before, limit, *values)

    async def webhook(self, route: Route, webhook: str) -> Webhook:
        """Raises WebhookNotFound."""
        rows = await read(route, _WEBHOOK, webhook)
        if not rows:
            raise WebhookNotFound(webhook)
        return _webhook(rows[0])

    async def webhooks(self, route: Route, after: str, limit: int) -> list[Webhook]:
        """By id, those greater than `after`."""
        return [_webhook(row) for row in await read(route, _WEBHOOKS, after, limit)]

    async def create(
        self, route: Route, asked: Asked, webhook: str, sealed: Sealed, values: dict[str, Any]
    ) -> bool:
        """Whether it is new: False when this is a repeat of the request that made it.

        Raises:
            WebhookAlreadyExists, TooManyWebhooks: As they say.
        """

        async def make(write: Write) -> dict[str, Any]:
            if await write.conn.fetchrow(_WEBHOOK, route.tenant, webhook):
                raise WebhookAlreadyExists(webhook)
            if await write.conn.fetchval(_COUNT, route.tenant) >= MOST:
                raise TooManyWebhooks(MOST)
            number = await _log(write, asked, f"{COLLECTION}/{webhook}", Operation.CREATED)
            given = (values["kinds"], values["enabled"], number)
            await write.conn.execute(_ADD, route.tenant, webhook, *sealed, *given)
            return {}

        return await self._once(route, asked, make) is None

    async def update(
        self,
        route: Route,
        asked: Asked,
        webhook: str,
        expected: int,
        sealed: Sealed,
        values: dict[str, Any],
    ) -> None:
        """Raises WebhookNotFound, WebhookVersionMismatch."""

        async def change(write: Write) -> dict[str, Any]:
            await _check(write, webhook, expected)
            number = await _log(write, asked, f"{COLLECTION}/{webhook}", Operation.UPDATED)
            given = (sealed.url, sealed.secret, values.get("kinds"), values.get("enabled"), number)
            await write.conn.execute(_UPDATE, route.tenant, webhook, *given)
            return {}

        await self._once(route, asked, change)

    async def delete(self, route: Route, asked: Asked, webhook: str, expected: int) -> None:
        """With what waits for it. Raises WebhookNotFound, WebhookVersionMismatch."""

        async def remove(write: Write) -> dict[str, Any]:
            await _check(write, webhook, expected)
            await _log(write, asked, f"{COLLECTION}/{webhook}", Operation.DELETED)
            await write.conn.execute(_DELETE, route.tenant, webhook)
            return {}

        await self._once(route, asked, remove)

    async def test(self, route: Route, asked: Asked, webhook: str) -> Delivery:
        """Raises an alert for one webhook alone. Raises WebhookNotFound."""

        async def ring(write: Write) -> dict[str, Any]:
            await _check(write, webhook, 0)
            alert = Alert(TEST, Severity.INFO, f"{COLLECTION}/{webhook}")
            await raise_alert(write, alert, asked.origin)
            await write.conn.execute(_ONLY_TO, route.tenant, alert.id, webhook)
            await write.conn.execute(_SEND_TO, route.tenant, alert.id, webhook, _DAY)
            row = await write.conn.fetchrow(_OF_ALERT, route.tenant, alert.id)
            assert row is not None
            return {"delivery": str(row["id"])}

        made: dict[str, Any] = {}

        async def remember(write: Write) -> dict[str, Any]:
            made.update(await ring(write))
            return made

        before = await self._once(route, asked, remember)
        return await self.delivery(route, UUID((before or made)["delivery"]))

    async def delivery(self, route: Route, delivery: UUID) -> Delivery:
        """Raises DeliveryNotFound."""
        rows = await read(route, _DELIVERY, delivery)
        if not rows:
            raise DeliveryNotFound(delivery)
        return _delivery(rows[0])

    async def deliveries(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Delivery]:
        """Newest first."""
        conditions, values = to_sql(where, 4)
        rows = await read(route, _DELIVERIES.format(where=conditions), before, limit, *values)
        return [_delivery(row) for row in rows]

    async def redeliver(self, route: Route, asked: Asked, delivery: UUID) -> Delivery:
        """For another day. Raises DeliveryNotFound."""

        async def again(write: Write) -> dict[str, Any]:
            if not await write.conn.fetchval(_AGAIN, route.tenant, delivery, _DAY):
                raise DeliveryNotFound(delivery)
            await _log(write, asked, f"{DELIVERIES}/{delivery}", Operation.UPDATED)
            return {}

        await self._once(route, asked, again)
        return await self.delivery(route, delivery)

    async def claim(self, route: Route, count: int) -> list[Due]:
        """What is due, for as long as the lease is: then another process may try it."""
        async with writing(route, durable=False) as write:
            rows = await write.conn.fetch(_CLAIM, route.tenant, _LEASE, count)
        return [_due(row) for row in rows]

    async def end(self, route: Route, due: Due, state: State, told: Told, wait: timedelta) -> None:
        """How an attempt ended; `wait` before the next one, if there is to be one. Nothing happens
        when somebody else has it by now."""
        async with writing(route) as write:
            await write.conn.execute(
                _END, route.tenant, due.id, due.attempts, state.value, *told, wait
            )

    async def _once(
        self, route: Route, asked: Asked, do: Callable[[Write], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any] | None:
        """None when it was done now; what a repeat of the request was answered with before."""
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            before = answers.get(asked.request)
            if before is None:
                answers.add(asked.request, await do(write))
                answers.save(write)
        self.wakeups.publish(route.tenant)
        return before


async def _check(write: Write, webhook: str, expected: int) -> None:
    row = await write.conn.fetchrow(_WEBHOOK, write.route.tenant, webhook)
    if row is None:
        raise WebhookNotFound(webhook)
    if expected not in (0, row["version"]):
        raise WebhookVersionMismatch(webhook, expected, row["version"])


async def _log(write: Write, asked: Asked, resource: str, operation: Operation) -> int:
    return await write.append([Change(resource, operation, asked.origin)])


def _webhook(row: asyncpg.Record) -> Webhook:
    return Webhook(**{name: row[name] for name in Webhook.__slots__})


def _delivery(row: asyncpg.Record) -> Delivery:
    values = {name: row[name] for name in Delivery.__slots__}
    return Delivery(**{**values, "state": State(row["state"])})


def _due(row: asyncpg.Record) -> Due:
    raised: datetime = row["raised_at"]
    message = {
        "type": row["kind"],
        "timestamp": raised.isoformat(),
        "data": {
            "alert": f"alerts/{row['alert']}",
            "severity": row["severity"],
            "resource": row["resource"],
            "change_number": row["number"],
            "facts": json.loads(row["facts"]),
        },
    }
    names = [name for name in Due._fields if name != "message"]
    return Due(**{name: row[name] for name in names}, message=message)
