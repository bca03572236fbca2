"""Sends what the outbox holds, at least once; receivers tell repeats by `webhook-id`."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog

from libs.encryption.keyring import Keyring, Sealed
from libs.encryption.registry import WEBHOOK_SECRET, WEBHOOK_URL
from libs.metrics import DELIVERIES
from libs.service.rounds import TenantRounds, answering
from libs.tenancy import Route
from libs.tenancy.directory import Directory
from services.governance.alerts.domain import (
    DISABLED,
    State,
    Told,
    body_of,
    headers_of,
    pause,
)
from services.governance.alerts.sender import Sender
from services.governance.alerts.store import WHOM, Due, PostgresAlerts

log = structlog.get_logger(__name__)

_AT_ONCE = 8  # attempts for one tenant
_TENANTS = 8  # at the same time
_TURN = 2.0  # seconds after which a tenant goes to the end of the queue
_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True)
class Deliverer:
    """Does for a tenant what is due."""

    alerts: PostgresAlerts
    keyring: Keyring
    send: Sender
    now: Callable[[], datetime]
    chance: Callable[[], float] = random.random

    async def __call__(self, route: Route) -> None:
        """Until nothing is due any more, or its turn is over: others wait, and a receiver that does
        not answer takes long."""
        until = monotonic() + _TURN
        while monotonic() < until and (due := await self.alerts.claim(route, _AT_ONCE)):
            await asyncio.gather(*(self._deliver(route, each) for each in due))

    def rounds(self, directory: Directory) -> TenantRounds:
        """Every second, for those who have something to send."""
        whom = answering(WHOM)
        return TenantRounds("webhooks.deliver", directory, whom, self, _INTERVAL, at_once=_TENANTS)

    async def _deliver(self, route: Route, due: Due) -> None:
        told = await self._attempt(route, due)
        state, wait = self._next(due, told)
        DELIVERIES.labels(told.problem or "OK").inc()
        if told.problem:
            log.warning(
                "webhook.failed",
                tenant=route.tenant,
                webhook=due.webhook,
                attempt=due.attempts,
                problem=told.problem,
                status=told.status,
            )
        await self.alerts.end(route, due, state, told, wait)

    async def _attempt(self, route: Route, due: Due) -> Told:
        if not due.wanted:
            return DISABLED
        url, key = await self.keyring.open(
            route,
            [
                Sealed(WEBHOOK_URL, due.row_id, due.url),
                Sealed(WEBHOOK_SECRET, due.row_id, due.secret),
            ],
        )
        body = body_of({**due.message, "tenant": route.tenant})
        return await self.send(url.decode(), headers_of(key, due.alert, body, self.now()), body)

    def _next(self, due: Due, told: Told) -> tuple[State, timedelta]:
        """What becomes of it, and how long to wait."""
        if not told.problem:
            return State.DELIVERED, timedelta(0)
        wait = pause(due.attempts, self.chance())
        if told.hopeless or self.now() + wait > due.retry_until:
            return State.DEAD, timedelta(0)
        return State.PENDING, wait
