"""The object graph of constraints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aeterna.governance.v1 import constraints_pb2_grpc as pb_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.constraints.api import ConstraintServicer
from services.governance.constraints.drift import DriftOperations
from services.governance.constraints.operations import Judging, PolicyOperations
from services.governance.constraints.store import PostgresPolicies, PostgresReports


@asynccontextmanager
async def open_constraints(platform: Platform) -> AsyncIterator[Registration]:
    """Serves policies, checks and drift."""
    policies, reports = PostgresPolicies(platform.wakeups), PostgresReports(platform.wakeups)
    new_id, keyring = Uuid7(), platform.keyring
    judging = Judging(policies, keyring)
    servicer = ConstraintServicer(
        PolicyOperations(policies, keyring, new_id, utc_now),
        judging,
        DriftOperations(judging, reports, keyring, new_id, utc_now),
        reports,
        keyring,
    )
    add = partial(pb_grpc.add_ConstraintServiceServicer_to_server, servicer)
    try:
        yield Registration("aeterna.governance.v1.ConstraintService", add)
    finally:
        await policies.close()
