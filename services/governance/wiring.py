"""The object graph of the governance service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aeterna.governance.v1 import (
    alerts_pb2_grpc,
    audit_pb2_grpc,
    budgets_pb2_grpc,
    costs_pb2_grpc,
    tenants_pb2_grpc,
)
from libs.aip.ids import Uuid7
from libs.auth.clock import utc_now
from libs.operations import Handler
from libs.operations.serving import open_operations
from libs.operations.store import Operations
from libs.postgres import open_pool
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from libs.tenancy.directory import ShardPools
from services.governance.alerts.api import AlertServicer
from services.governance.alerts.delivery import Deliverer
from services.governance.alerts.domain import Rules
from services.governance.alerts.sender import open_sender
from services.governance.alerts.store import PostgresAlerts
from services.governance.api import AuditServicer, TenantServicer
from services.governance.budgets.api import BudgetServicer
from services.governance.budgets.store import PostgresBudgets
from services.governance.costs.api import CostServicer
from services.governance.costs.store import PostgresCosts, Rollup
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
        costs = await _costs(stack, settings, platform)
        alerts = await _alerts(stack, settings, platform)
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
            *costs,
            alerts,
            shown.registration,
        ]


async def _costs(
    stack: AsyncExitStack, settings: Settings, platform: Platform
) -> Sequence[Registration]:
    """What tenants use and may spend."""
    rollup = Rollup(settings.usage_kept_for).rounds(platform.directory, settings.rollup)
    await stack.enter_async_context(background(rollup.run()))
    costs = CostServicer(PostgresCosts(), platform.spending.prices, utc_now)
    budgets = BudgetServicer(PostgresBudgets(platform.wakeups), platform.spending, platform.keyring)
    return [
        Registration(
            "aeterna.governance.v1.CostService",
            partial(costs_pb2_grpc.add_CostServiceServicer_to_server, costs),
        ),
        Registration(
            "aeterna.governance.v1.BudgetService",
            partial(budgets_pb2_grpc.add_BudgetServiceServicer_to_server, budgets),
        ),
    ]


async def _alerts(stack: AsyncExitStack, settings: Settings, platform: Platform) -> Registration:
    """What tenants are told of, and where."""
    rules = Rules(not platform.settings.production, settings.webhook_networks)
    alerts = PostgresAlerts(platform.wakeups)
    sender = await stack.enter_async_context(open_sender(rules))
    deliverer = Deliverer(alerts, platform.keyring, sender, utc_now)
    await stack.enter_async_context(background(deliverer.rounds(platform.directory).run()))
    servicer = AlertServicer(alerts, platform.keyring, rules)
    return Registration(
        "aeterna.governance.v1.AlertService",
        partial(alerts_pb2_grpc.add_AlertServiceServicer_to_server, servicer),
    )
