"""The object graph of the governance service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aeterna.governance.v1 import audit_pb2_grpc, tenants_pb2_grpc
from libs.aip.ids import Uuid7
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.postgres import open_pool
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.tenancy.directory import ShardPools
from services.governance.alerts.wiring import open_alerts
from services.governance.api import AuditServicer, TenantServicer
from services.governance.approvals.wiring import open_approvals
from services.governance.authorization.wiring import authorization
from services.governance.constraints.wiring import open_constraints
from services.governance.costs.wiring import open_costs
from services.governance.operations import AuditOperations, TenantOperations
from services.governance.settings import Settings
from services.governance.store.registry import PostgresRegistry
from services.governance.store.shards import PostgresShards
from services.governance.store.trail import PostgresTrail


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(open_pool(settings.control))
        registry = PostgresRegistry(control, ShardPools(settings.control, stack))
        shards = PostgresShards(platform.wakeups)
        tenants = TenantServicer(TenantOperations(registry, shards, platform.keyring), registry)
        trail = PostgresTrail(platform.wakeups)
        stack.push_async_callback(trail.close)
        audit = AuditServicer(AuditOperations(trail), trail, platform.keyring)
        constraints = await stack.enter_async_context(open_constraints(platform))
        approvals = await stack.enter_async_context(open_approvals(platform))
        costs = await stack.enter_async_context(open_costs(settings, platform))
        alerts = await stack.enter_async_context(open_alerts(settings, platform))
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
            *authorization(platform),
            constraints,
            approvals,
            *costs,
            alerts,
            shown.registration,
        ]
