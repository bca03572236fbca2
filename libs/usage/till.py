"""Around every call of a provider: may it be made, and what did it cost.

Without budgets what was used is written down soon after. With budgets the most that the call can
cost is put aside before the provider is asked, and what it did cost is durable before its answer
goes on.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from libs.errors import AppError
from libs.spine import read
from libs.tenancy import Route
from libs.tenancy.directory import Directory
from libs.usage import Kind, Payer, Use
from libs.usage.allotments import Allotments, Loan, open_allotments
from libs.usage.budgets import Ledger, Release, Reservation, Reserve, Settle
from libs.usage.prices import BUILT_IN, PriceTable
from libs.usage.recorder import UsageRecorder, open_usage
from libs.wakeups import Wakeups

log = structlog.get_logger(__name__)

_LEASE = timedelta(minutes=5)  # of a call whose price is unknown: longer than any is tried
_HAS_BUDGETS = "SELECT true FROM aeterna.budget WHERE tenant_id = $1 LIMIT 1"

Quantities = Mapping[Kind, int]


class Bill(Protocol):
    """Of one call that may be made. Ends with one of these."""

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        """The call was answered: what it cost, None when nobody knows. Never fails."""

    async def void(self) -> None:
        """The call cost nothing. Never fails."""


class Till(Protocol):
    """Of the calls of one model."""

    @property
    def prices(self) -> PriceTable: ...

    async def admit(self, payer: Payer, most: Quantities) -> Bill:
        """Lets a call be made that uses at most so much.

        Raises:
            BudgetExceeded, BudgetThrottled, PriceUnknown: A budget does not allow it.
            TenantMoved, TenantSuspended, StoreUnavailable: The shard refuses, or is away.
        """


class Free:
    """`Bill` of what nobody counts."""

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        return None

    async def void(self) -> None:
        return


@dataclass(frozen=True)
class Unlimited:
    """`Till` without budgets, where nobody counts what is used: for measurements and tests."""

    prices: PriceTable = BUILT_IN

    async def admit(self, payer: Payer, most: Quantities) -> Bill:
        return Free()


@dataclass(frozen=True)
class Spending:
    """What the tills of a process share. Made by `open_spending`."""

    recorder: UsageRecorder
    ledger: Ledger
    allotments: Allotments

    @property
    def prices(self) -> PriceTable:
        return self.recorder.prices

    def till(self, service: str, model: str) -> "ModelTill":
        """Of the calls that one of our services makes of a model."""
        return ModelTill(self, service, model)


@dataclass(frozen=True)
class ModelTill:
    """`Till` by the prices and budgets that there are."""

    spending: Spending
    service: str
    model: str

    @property
    def prices(self) -> PriceTable:
        return self.spending.prices

    async def admit(self, payer: Payer, most: Quantities) -> Bill:
        if not await self._limited(payer):
            return _Noted(self, payer)
        uses = self.uses(payer, most, estimated=True)
        total = total_of(uses)
        if total is None:
            currency = self.spending.prices.currency
            ask = Reserve(None, currency, _LEASE, payer.attribution, self.model)
            return _Counted(self, payer, await self.spending.ledger.submit(payer.route, ask))
        if not total:
            return _Noted(self, payer)
        loan = await self.spending.allotments.borrow(payer, self.model, total)
        return _Borrowed(self, payer, loan)

    def uses(self, payer: Payer, used: Quantities, *, estimated: bool) -> list[Use]:
        """So much of each kind, at its price now."""
        return [
            self.spending.recorder.use(
                self.service,
                kind,
                self.model,
                Decimal(quantity),
                payer.attribution,
                estimated=estimated,
            )
            for kind, quantity in used.items()
        ]

    async def _limited(self, payer: Payer) -> bool:
        if self.spending.allotments.holds(payer, self.model):
            return True
        return await has_budgets(payer.route)


@dataclass(frozen=True)
class _Noted:
    """`Bill` that no budget is about."""

    till: ModelTill
    payer: Payer

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        uses = self.till.uses(self.payer, used, estimated=estimated)
        self.till.spending.recorder.add(self.payer.route.tenant, uses)
        return total_of(uses)

    async def void(self) -> None:
        return


@dataclass(frozen=True)
class _Borrowed:
    """`Bill` that is paid from an allotment."""

    till: ModelTill
    payer: Payer
    loan: Loan

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        uses = self.till.uses(self.payer, used, estimated=estimated)
        total = total_of(uses)
        await self.till.spending.allotments.settle(self.loan, total or Decimal(0), uses)
        return total

    async def void(self) -> None:
        self.till.spending.allotments.release(self.loan)


@dataclass(frozen=True)
class _Counted:
    """`Bill` of a call whose price nobody knows: what it used is written down, no money."""

    till: ModelTill
    payer: Payer
    reservation: Reservation

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        uses = self.till.uses(self.payer, used, estimated=estimated)
        self.till.spending.recorder.add(self.payer.route.tenant, uses)
        await self._end(Settle(self.reservation.id, Decimal(0)))
        return total_of(uses)

    async def void(self) -> None:
        await self._end(Release(self.reservation.id))

    async def _end(self, command: Settle | Release) -> None:
        try:
            await self.till.spending.ledger.submit(self.payer.route, command)
        except AppError as error:  # it holds no money, and its lease ends
            log.warning("budget.not_told", error=error.reason)


def total_of(uses: list[Use]) -> Decimal | None:
    """What they cost together; None when the price of one that was used is not known."""
    total = Decimal(0)
    for use in uses:
        if use.amount is None and use.quantity:
            return None
        total += use.amount or 0
    return total


async def has_budgets(route: Route) -> bool:
    """Whether the tenant has any; raises StoreUnavailable."""
    return bool(await read(route, _HAS_BUDGETS))


@asynccontextmanager
async def open_spending(
    prices: PriceTable, directory: Directory, wakeups: Wakeups
) -> AsyncIterator[Spending]:
    """Tills for the length of the block; at its end everything is written down."""
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(open_usage(prices, directory))
        ledger = Ledger(wakeups)
        stack.push_async_callback(ledger.close)
        allotments = await stack.enter_async_context(open_allotments(ledger, prices.currency))
        yield Spending(recorder, ledger, allotments)
