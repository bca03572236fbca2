"""What tenants are told of, and where: the object graph."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aeterna.governance.v1 import alerts_pb2_grpc
from libs.auth.clock import utc_now
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.alerts.api import AlertServicer
from services.governance.alerts.delivery import Deliverer
from services.governance.alerts.domain import Rules
from services.governance.alerts.sender import open_sender
from services.governance.alerts.store import PostgresAlerts
from services.governance.settings import Settings


@asynccontextmanager
async def open_alerts(settings: Settings, platform: Platform) -> AsyncIterator[Registration]:
    """Sends what the outbox holds while the block runs."""
    rules = Rules(not platform.settings.production, settings.webhook_networks)
    alerts = PostgresAlerts(platform.wakeups)
    async with open_sender(rules) as sender:
        deliverer = Deliverer(alerts, platform.keyring, sender, utc_now)
        async with background(deliverer.rounds(platform.directory).run()):
            servicer = AlertServicer(alerts, platform.keyring, rules)
            yield Registration(
                "aeterna.governance.v1.AlertService",
                partial(alerts_pb2_grpc.add_AlertServiceServicer_to_server, servicer),
            )
