"""The object graph of approvals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aeterna.governance.v1 import approvals_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.approvals.api import ApprovalServicer
from services.governance.approvals.operations import RequestOperations, SettingOperations
from services.governance.approvals.settings_store import PostgresSettings
from services.governance.approvals.store import PostgresRequests
from services.governance.approvals.timers import timers


@asynccontextmanager
async def open_approvals(platform: Platform) -> AsyncIterator[Registration]:
    """Serves approvals, and does what time does to them."""
    requests = PostgresRequests(platform.wakeups, utc_now)
    settings = PostgresSettings(platform.wakeups, utc_now)
    new_id = Uuid7()
    servicer = ApprovalServicer(
        RequestOperations(requests, platform.keyring, new_id),
        SettingOperations(settings, new_id, utc_now),
        settings,
        platform.keyring,
    )
    add = partial(pb_grpc.add_ApprovalServiceServicer_to_server, servicer)
    async with background(timers(requests, platform.directory).run()):
        yield Registration("aeterna.governance.v1.ApprovalService", add)
