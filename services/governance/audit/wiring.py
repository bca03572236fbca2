"""The object graph of the audit trail."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg

from aeterna.governance.v1 import audit_pb2_grpc as pb_grpc
from libs.auth.clock import utc_now
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.signing import Signer
from libs.tenancy.directory import ShardPools
from services.governance.audit.api import AuditServicer
from services.governance.audit.checkpoints import CheckpointWorker
from services.governance.audit.domain import Checkpointing
from services.governance.audit.operations import AuditOperations
from services.governance.audit.store import PostgresCheckpoints, PostgresTrail
from services.governance.erasure.signing import SignedAmendments
from services.governance.settings import AuditSettings
from services.governance.store.governing import GoverningShards


@asynccontextmanager
async def open_audit(
    platform: Platform,
    settings: AuditSettings,
    control: asyncpg.Pool,
    pools: ShardPools,
    signer: Signer,
) -> AsyncIterator[Registration]:
    """Shows trails, and signs them as they grow, while the block runs. `control` and `pools` are
    of the role of governance."""
    async with AsyncExitStack() as stack:
        trail = PostgresTrail(platform.wakeups, GoverningShards(control, pools))
        stack.push_async_callback(trail.close)
        checkpoints = PostgresCheckpoints(control)
        operations = AuditOperations(
            trail,
            checkpoints,
            SignedAmendments(control),
            signer,
            settings.retention,
            utc_now,
        )
        worker = CheckpointWorker(
            operations,
            checkpoints,
            trail,
            platform.directory,
            Checkpointing(settings.checkpoint_entries, settings.checkpoint_after),
            settings.checkpoint_interval,
            utc_now,
        )
        await stack.enter_async_context(background(worker.run()))
        servicer = AuditServicer(operations, platform.keyring)
        add = partial(pb_grpc.add_AuditServiceServicer_to_server, servicer)
        yield Registration("aeterna.governance.v1.AuditService", add)
