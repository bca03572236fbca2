"""The object graph of the governance service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg

from aeterna.governance.v1 import anomalies_pb2_grpc, audit_pb2_grpc, tenants_pb2_grpc
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.postgres import open_pool
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.signing import Signer
from libs.signing.store import open_signer
from libs.tenancy.directory import ShardPools
from services.governance.anomalies.api import AnomalyServicer
from services.governance.anomalies.operations import AnomalyOperations, AnomalyWorker
from services.governance.anomalies.store import PostgresAnomalies
from services.governance.api import TenantServicer
from services.governance.audit.api import AuditServicer
from services.governance.audit.checkpoints import CheckpointWorker
from services.governance.audit.domain import Checkpointing
from services.governance.audit.operations import AuditOperations
from services.governance.audit.store import PostgresCheckpoints, PostgresTrail
from services.governance.operations import TenantOperations
from services.governance.settings import Settings
from services.governance.store.governing import GoverningShards
from services.governance.store.registry import PostgresRegistry
from services.governance.store.shards import PostgresShards


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(open_pool(settings.control))
        pools = ShardPools(settings.control, stack)
        registry = PostgresRegistry(control, pools)
        shards = PostgresShards(platform.wakeups)
        tenants = TenantServicer(TenantOperations(registry, shards, platform.keyring), registry)
        signer = await open_signer(control, platform.kms, settings.signing_key)
        trail = PostgresTrail(platform.wakeups, GoverningShards(control, pools))
        stack.push_async_callback(trail.close)
        auditing = _auditing(settings, trail, control, signer)
        await stack.enter_async_context(
            background(_checkpoints(auditing, trail, platform, settings).run())
        )
        audit = AuditServicer(auditing, platform.keyring)
        anomalies = _anomalies(platform)
        judging = AnomalyWorker(anomalies, platform.directory, utc_now, settings.anomaly_interval)
        await stack.enter_async_context(background(judging.run()))
        handlers: list[Handler] = []
        long_running = Operations(platform.wakeups, Uuid7())
        opened = open_operations(platform, long_running, handlers)
        shown = await stack.enter_async_context(opened)
        yield [
            Registration(
                "aeterna.governance.v1.TenantService",
                partial(tenants_pb2_grpc.add_TenantServiceServicer_to_server, tenants),
                routed=False,
            ),
            Registration(
                "aeterna.governance.v1.AuditService",
                partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, audit),
            ),
            Registration(
                "aeterna.governance.v1.AnomalyService",
                partial(
                    anomalies_pb2_grpc.add_AnomalyServiceServicer_to_server,
                    AnomalyServicer(anomalies, platform.keyring),
                ),
            ),
            shown.registration,
        ]


def _anomalies(platform: Platform) -> AnomalyOperations:
    store = PostgresAnomalies(platform.directory, platform.wakeups)
    return AnomalyOperations(store, Uuid7())


def _auditing(
    settings: Settings, trail: PostgresTrail, control: asyncpg.Pool, signer: Signer
) -> AuditOperations:
    checkpoints = PostgresCheckpoints(control)
    return AuditOperations(trail, checkpoints, signer, settings.audit.retention, utc_now)


def _checkpoints(
    auditing: AuditOperations, trail: PostgresTrail, platform: Platform, settings: Settings
) -> CheckpointWorker:
    audit = settings.audit
    policy = Checkpointing(audit.checkpoint_entries, audit.checkpoint_after)
    return CheckpointWorker(
        auditing,
        auditing.checkpoints,
        trail,
        platform.directory,
        policy,
        audit.checkpoint_interval,
        utc_now,
    )
