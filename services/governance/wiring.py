"""The object graph of the governance service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aeterna.governance.v1 import tenants_pb2_grpc
from libs.aip.ids import Uuid7
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.postgres import open_pool
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.signing.store import open_signer
from libs.tenancy.directory import ShardPools
from services.governance.anomalies.wiring import open_anomalies
from services.governance.api import TenantServicer
from services.governance.approvals.wiring import open_approvals
from services.governance.audit.wiring import open_audit
from services.governance.authorization.wiring import authorization
from services.governance.constraints.wiring import open_constraints
from services.governance.operations import TenantOperations
from services.governance.settings import Settings
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
        auditing = open_audit(platform, settings.audit, control, pools, signer)
        audit = await stack.enter_async_context(auditing)
        watching = open_anomalies(platform, settings.anomaly_interval)
        anomalies = await stack.enter_async_context(watching)
        constraints = await stack.enter_async_context(open_constraints(platform))
        approvals = await stack.enter_async_context(open_approvals(platform))
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
            audit,
            *authorization(platform),
            constraints,
            approvals,
            anomalies,
            shown.registration,
        ]
