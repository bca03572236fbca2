"""The object graph of anomalies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from aeterna.governance.v1 import anomalies_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.rounds import TenantRounds, answering
from libs.service.server import Registration
from libs.tenancy import Route
from services.governance.anomalies.api import AnomalyServicer
from services.governance.anomalies.operations import AnomalyOperations
from services.governance.anomalies.store import WHOM, PostgresAnomalies


@asynccontextmanager
async def open_anomalies(platform: Platform, interval: timedelta) -> AsyncIterator[Registration]:
    """Shows anomalies, and looks for new ones every `interval`, while the block runs."""
    operations = AnomalyOperations(PostgresAnomalies(platform.wakeups), Uuid7())

    async def judge(route: Route) -> None:
        await operations.judge(route, utc_now())

    rounds = TenantRounds("anomalies.judge", platform.directory, answering(WHOM), judge, interval)
    servicer = AnomalyServicer(operations, platform.keyring)
    add = partial(pb_grpc.add_AnomalyServiceServicer_to_server, servicer)
    async with background(rounds.run()):
        yield Registration("aeterna.governance.v1.AnomalyService", add)
