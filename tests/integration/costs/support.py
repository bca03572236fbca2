"""A tenant that spends, and what it asks governance."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from google.type.money_pb2 import Money

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import alerts_pb2, audit_pb2, budgets_pb2, costs_pb2
from aeterna.memory.v1 import memory_pb2
from tests.suite import Metadata, Suite

MODEL, DIMENSIONS = "text-embedding-3-small", 512
TOKEN = Decimal("0.02") / 1_000_000  # what one costs


def money(amount: str | Decimal, currency: str = "USD") -> Money:
    units, _, parts = f"{Decimal(amount):.9f}".partition(".")
    return Money(currency_code=currency, units=int(units), nanos=int(parts))


def amount(message: Money) -> Any:
    """A Decimal, to be compared with numbers."""
    return Decimal(message.units) + Decimal(message.nanos) / 10**9


@dataclass(frozen=True)
class Spender:
    """A tenant's administrator."""

    suite: Suite
    metadata: Metadata

    async def create_budget(self, label: str, limit: str, **values: Any) -> budgets_pb2.Budget:
        request_id = values.pop("request_id", "")
        budget = budgets_pb2.Budget(limit=money(limit), **values)
        request = budgets_pb2.CreateBudgetRequest(
            budget_id=label, budget=budget, request_id=request_id
        )
        return await self.suite.budgets.CreateBudget(request, metadata=self.metadata)

    async def budget(self, label: str) -> budgets_pb2.Budget:
        request = budgets_pb2.GetBudgetRequest(name=f"budgets/{label}")
        return await self.suite.budgets.GetBudget(request, metadata=self.metadata)

    async def reserve(self, units: str, **values: Any) -> budgets_pb2.Reservation:
        request = budgets_pb2.ReserveBudgetRequest(amount=money(units), **values)
        return await self.suite.budgets.ReserveBudget(request, metadata=self.metadata)

    async def settle(self, name: str, units: str, **values: Any) -> budgets_pb2.Reservation:
        request = budgets_pb2.SettleReservationRequest(name=name, amount=money(units), **values)
        return await self.suite.budgets.SettleReservation(request, metadata=self.metadata)

    async def release(self, name: str) -> budgets_pb2.Reservation:
        request = budgets_pb2.ReleaseReservationRequest(name=name)
        return await self.suite.budgets.ReleaseReservation(request, metadata=self.metadata)

    async def spend(self, units: str, **values: Any) -> None:
        reserved = await self.reserve(units, **values)
        await self.settle(reserved.name, units)

    async def remember(self, content: str, project: str = "") -> memory_pb2.Memory:
        scope = scope_pb2.Scope(org_id="o", team_id="t", project_id=project or "p")
        layer = memory_pb2.LAYER_PROJECT
        memory = memory_pb2.Memory(content=content, layer=layer, scope=scope)
        request = memory_pb2.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def costs(self, **values: Any) -> list[costs_pb2.Cost]:
        request = costs_pb2.QueryCostsRequest(page_size=1000, **values)
        answer = await self.suite.costs.QueryCosts(request, metadata=self.metadata)
        return list(answer.costs)

    async def alerts(self, where: str = "") -> list[alerts_pb2.Alert]:
        request = alerts_pb2.ListAlertsRequest(filter=where, page_size=1000)
        answer = await self.suite.alerts.ListAlerts(request, metadata=self.metadata)
        return list(answer.alerts)

    async def log(self, where: str) -> list[audit_pb2.AuditEntry]:
        request = audit_pb2.ListAuditEntriesRequest(filter=where, page_size=1000)
        answer = await self.suite.audit.ListAuditEntries(request, metadata=self.metadata)
        return list(answer.entries)
