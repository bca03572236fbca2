"""What one process may spend without asking: allotments of budgets, divided among its calls.

An allotment is a reservation of the process, under a lease that it renews. A call takes from it in
memory; what was spent is told to the shard, durably, before the call is over. So a reservation
costs nothing while there is plenty. When money is scarce nothing is kept in stock, and every call
is decided in the shard. A process that is killed loses its allotment when the lease ends.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import structlog

from libs.aip.ids import uuid7
from libs.errors import AppError
from libs.service.background import background
from libs.service.errors import expected
from libs.tenancy import Route
from libs.usage import Attribution, Payer, Use
from libs.usage.budgets import Adjust, Ledger, Reservation
from libs.usage.errors import BudgetExceeded

log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=20)
_SAFE = 0.25  # of a lease, at its end, in which it is not used any more
_BEAT = 2.0  # seconds between renewals
_STOCK = 8  # calls like the largest that an allotment likes to have in stock, at least
_PATIENCE = 5.0  # seconds that a call waits until what it spent is durable, when the store is away
_NOTHING = Decimal(0)


class Spent(NamedTuple):
    """What a call cost, and who waits for it to be durable."""

    amount: Decimal
    uses: Sequence[Use]
    told: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Stock:
    """One allotment. `usable_until` is on the monotonic clock."""

    id: UUID = field(default_factory=uuid7)
    usable_until: float = 0.0
    free: Decimal = _NOTHING
    lent: Decimal = _NOTHING  # to calls under way
    back: Decimal = _NOTHING
    scarce: bool = True
    open: bool = False  # whether the shard knows it
    turn: int = 0
    spent: list[Spent] = field(default_factory=list)
    unsure: tuple[list[Spent], Decimal] | None = None  # what was told, and may have been heard

    @property
    def idle(self) -> bool:
        """Whether there is nothing that the shard should hear."""
        return not (self.spent or self.back or self.unsure)

    def usable(self, now: float) -> bool:
        return self.open and now < self.usable_until


@dataclass(slots=True, eq=False)
class Loan:
    """What one call may spend; paid back with `Allotments.settle`."""

    purse: "Purse"
    stock: Stock
    amount: Decimal
    paid: bool = False


Waiting = tuple[Decimal, "asyncio.Future[Loan]"]


@dataclass(eq=False)
class Purse:
    """The allotments of one tenant for one model and attribution: one in use, others running
    out. One task at a time talks to the shard about it."""

    ledger: Ledger
    payer: Payer
    model: str
    currency: str
    lease: timedelta = _LEASE
    stock: Stock = field(default_factory=Stock)
    retired: list[Stock] = field(default_factory=list)
    waiting: deque[Waiting] = field(default_factory=deque)
    demand: Decimal = _NOTHING  # since the last beat
    usual: Decimal = _NOTHING  # demand between two beats, of late
    largest: Decimal = _NOTHING
    task: asyncio.Task[None] | None = None

    async def borrow(self, amount: Decimal) -> Loan:
        """At once when the stock has it, else once the shard has decided."""
        self.demand, self.largest = self.demand + amount, max(self.largest, amount)
        stock = self.stock
        if not self.waiting and stock.usable(time.monotonic()) and stock.free >= amount:
            stock.free -= amount
            stock.lent += amount
            return Loan(self, stock, amount)
        future: asyncio.Future[Loan] = asyncio.get_running_loop().create_future()
        self.waiting.append((amount, future))
        self.wake()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self.give(future.result(), _NOTHING)
            raise

    def give(self, loan: Loan, spent: Decimal) -> None:
        """Takes back what a call did not spend."""
        if loan.paid:
            return
        loan.paid = True
        stock, rest = loan.stock, max(_NOTHING, loan.amount - spent)
        stock.lent -= loan.amount
        if stock is self.stock and not stock.scarce:
            stock.free += rest
        else:
            stock.back += rest
            self.wake()

    def wake(self) -> None:
        """Sees to it that the shard is asked."""
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._talk())

    async def beat(self) -> bool:
        """Renews the lease, gives back what is more than is needed; False: nothing is left."""
        stock, demand = self.stock, self.demand
        self.demand, self.usual = _NOTHING, max(demand, self.usual / 2)
        if not (demand or stock.lent):
            self.usual = _NOTHING
        if stock.open:
            spare = stock.free if stock.scarce else max(_NOTHING, stock.free - 2 * self._wanted)
            stock.free -= spare
            stock.back += spare
            await self._turn(stock)
        self.retired = [each for each in self.retired if each.lent or not each.idle]
        for each in list(self.retired):
            await self._turn(each)
        busy = self.waiting or self.retired or demand or stock.free or stock.lent
        return bool(busy or not stock.idle)

    async def close(self) -> None:
        """Tells the shard all that it does not know, and gives back the rest."""
        if self.task:
            await asyncio.wait([self.task])
        self.demand = self.usual = _NOTHING  # no more is needed
        for stock in (self.stock, *self.retired):
            stock.back += stock.free
            stock.free = _NOTHING
            if stock.open:
                await self._turn(stock)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to ask or tell the shard."""
        return not self.waiting and all(each.idle for each in (self.stock, *self.retired))

    async def _talk(self) -> None:
        while not self.quiet:
            if self.waiting and self.stock.open and not self.stock.usable(time.monotonic()):
                self._retire()
            todo = [each for each in self.retired if not each.idle]
            done = await asyncio.gather(self._turn(self.stock), *map(self._turn, todo))
            if not all(done):
                return  # the beat tries again

    def _retire(self) -> None:
        stock, self.stock = self.stock, Stock()
        stock.back += stock.free
        stock.free = _NOTHING
        self.retired.append(stock)

    async def _turn(self, stock: Stock) -> bool:
        """One conversation about one allotment; False when the shard did not answer."""
        asked = self._asked() if stock is self.stock and not stock.unsure else []
        if not (stock.open or asked or stock.unsure):
            return True
        spent, back = stock.unsure or (list(stock.spent), stock.back)
        needs = [amount for amount, _ in asked]
        adjust = self._adjust(stock, spent, back, needs, self._extra(stock, needs))
        usable_until = time.monotonic() + self.lease.total_seconds() * (1 - _SAFE)
        try:
            answer = await self.ledger.submit(self.payer.route, adjust)
        except Exception as exc:  # a bug, too: nobody waits for an answer that will not come
            error = expected(exc)
            for _, future in asked:
                _fail(future, error)
            log.warning("budget.not_told", error=error.reason)
            stock.unsure = spent, back
            return False
        stock.turn, stock.unsure = stock.turn + 1, None
        del stock.spent[: len(spent)]
        stock.back -= back
        for each in spent:
            if not each.told.done():
                each.told.set_result(None)
        self._take(stock, answer, asked, usable_until)
        return True

    def _asked(self) -> list[Waiting]:
        asked = [each for each in self.waiting if not each[1].done()]
        self.waiting.clear()
        return asked

    @property
    def _wanted(self) -> Decimal:
        """What a full stock holds: the demand of a while; nothing when there is none."""
        demand = max(self.demand, self.usual)
        return max(2 * demand, _STOCK * self.largest) if demand else _NOTHING

    def _extra(self, stock: Stock, needs: Sequence[Decimal]) -> Decimal:
        """What is to fill the stock up, once it is half empty."""
        if stock is not self.stock or stock.unsure or not (needs or stock.usable(time.monotonic())):
            return _NOTHING
        wanted = self._wanted
        return wanted - stock.free if stock.free < wanted / 2 else _NOTHING

    def _adjust(
        self,
        stock: Stock,
        spent: Sequence[Spent],
        back: Decimal,
        needs: Sequence[Decimal],
        extra: Decimal,
    ) -> Adjust:
        return Adjust(
            stock.id,
            stock.turn,
            self.payer.attribution,
            self.model,
            self.currency,
            self.lease,
            sum((each.amount for each in spent), _NOTHING),
            [use for each in spent for use in each.uses],
            back,
            needs,
            extra,
        )

    def _take(
        self, stock: Stock, answer: Reservation, asked: Sequence[Waiting], usable_until: float
    ) -> None:
        """Hands out what was granted."""
        stock.open, stock.scarce, stock.usable_until = True, answer.scarce, usable_until
        stock.free += answer.extra
        grants: Sequence[bool | None] = answer.grants or [None] * len(asked)
        for (amount, future), granted in zip(asked, grants, strict=True):
            if granted is None:  # of an allotment that is over: the next one is asked
                self.waiting.append((amount, future))
            elif not granted:
                _fail(future, answer.refusal or BudgetExceeded("", "", "", ""))
            elif future.done():
                stock.free += amount
            else:
                stock.lent += amount
                future.set_result(Loan(self, stock, amount))
        surplus = answer.amount - stock.free - stock.lent - stock.back
        surplus -= sum((each.amount for each in stock.spent), _NOTHING)
        stock.back += max(_NOTHING, surplus)  # granted in an answer that was lost
        if answer.state != "open" and stock is self.stock:
            self._retire()
        if stock.scarce and stock.free:
            stock.back += stock.free
            stock.free = _NOTHING


def _fail(future: "asyncio.Future[Loan]", error: AppError) -> None:
    if not future.done():
        future.set_exception(error)


class Allotments:
    """The purses of this process. Made by `open_allotments`."""

    def __init__(self, ledger: Ledger, currency: str, lease: timedelta = _LEASE) -> None:
        self._ledger, self._currency, self._lease = ledger, currency, lease
        self._purses: dict[tuple[Route, Attribution, str], Purse] = {}

    async def borrow(self, payer: Payer, model: str, amount: Decimal) -> Loan:
        """Money for a call of the model: it must not spend more.

        Raises:
            BudgetExceeded, BudgetThrottled: As they say.
            TenantMoved, TenantSuspended, StoreUnavailable: The shard refuses, or is away.
        """
        key = (payer.route, payer.attribution, model)
        purse = self._purses.get(key)
        if purse is None:
            purse = Purse(self._ledger, payer, model, self._currency, self._lease)
            self._purses[key] = purse
        return await purse.borrow(amount)

    def holds(self, payer: Payer, model: str) -> bool:
        """Whether there is an allotment for such calls: then there are budgets."""
        purse = self._purses.get((payer.route, payer.attribution, model))
        return purse is not None and purse.stock.open

    async def settle(self, loan: Loan, amount: Decimal, uses: Sequence[Use]) -> None:
        """Tells what was spent of it, for good when this returns: but for a store that is away,
        which hears it as soon as it is back."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loan.stock.spent.append(Spent(amount, uses, told))
        loan.purse.give(loan, amount)
        loan.purse.wake()
        await asyncio.wait([told], timeout=_PATIENCE)

    def release(self, loan: Loan) -> None:
        """Takes back money that was not spent."""
        loan.purse.give(loan, _NOTHING)

    async def run(self) -> None:
        """Renews leases until cancelled."""
        while True:
            await asyncio.sleep(min(_BEAT, self._lease.total_seconds() / 8))
            for key, purse in list(self._purses.items()):
                if not (purse.task is None or purse.task.done()):
                    continue
                purse.task = asyncio.create_task(self._beat(key, purse))

    async def _beat(self, key: tuple[Route, Attribution, str], purse: Purse) -> None:
        if not await purse.beat() and self._purses.get(key) is purse and not purse.waiting:
            del self._purses[key]
        elif not purse.quiet:
            purse.task = None
            purse.wake()

    async def close(self) -> None:
        """Gives everything back."""
        await asyncio.gather(*(purse.close() for purse in self._purses.values()))


@asynccontextmanager
async def open_allotments(
    ledger: Ledger, currency: str, lease: timedelta = _LEASE
) -> AsyncIterator[Allotments]:
    """Allotments whose leases are renewed while the block runs."""
    allotments = Allotments(ledger, currency, lease)
    try:
        async with background(allotments.run()):
            yield allotments
    finally:
        await allotments.close()
