"""What tenants use and may spend: the object graph."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from aeterna.governance.v1 import budgets_pb2_grpc, costs_pb2_grpc
from libs.auth.clock import utc_now
from libs.service.background import background
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.budgets.api import BudgetServicer
from services.governance.budgets.store import PostgresBudgets
from services.governance.costs.api import CostServicer
from services.governance.costs.store import PostgresCosts, Rollup
from services.governance.settings import Settings


@asynccontextmanager
async def open_costs(
    settings: Settings, platform: Platform
) -> AsyncIterator[Sequence[Registration]]:
    """Adds up what was used while the block runs."""
    rollup = Rollup(settings.usage_kept_for).rounds(platform.directory, settings.rollup)
    costs = CostServicer(PostgresCosts(), platform.spending.prices, utc_now)
    budgets = BudgetServicer(PostgresBudgets(platform.wakeups), platform.spending, platform.keyring)
    async with background(rollup.run()):
        yield [
            Registration(
                "aeterna.governance.v1.CostService",
                partial(costs_pb2_grpc.add_CostServiceServicer_to_server, costs),
            ),
            Registration(
                "aeterna.governance.v1.BudgetService",
                partial(budgets_pb2_grpc.add_BudgetServiceServicer_to_server, budgets),
            ),
        ]
