"""What a process divides among its calls."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from libs.postgres import StoreUnavailable
from libs.service.errors import InternalError
from libs.tenancy import Route
from libs.usage import Payer
from libs.usage.allotments import Allotments, Loan, open_allotments
from libs.usage.budgets import Command, Ledger, Reservation
from libs.usage.errors import BudgetExceeded
from libs.wakeups import Wakeups
from tests.eventually import eventually
from tests.integration.usage.support import add_budget, standing


class Flaky(Ledger):
    """Loses answers, or questions, when told."""

    def __init__(self) -> None:
        super().__init__(Wakeups())
        self.asked, self.broken = 0, False
        self.lose_answers = self.lose_questions = 0

    async def submit(self, route: Route, command: Command) -> Reservation:
        self.asked += 1
        if self.broken:
            raise ValueError("a bug")
        if self.lose_questions:
            self.lose_questions -= 1
            raise StoreUnavailable
        answer = await super().submit(route, command)
        if self.lose_answers:
            self.lose_answers -= 1
            raise StoreUnavailable
        return answer


@pytest.fixture
def ledger() -> Flaky:
    return Flaky()


@pytest.fixture
async def allotments(ledger: Flaky) -> AsyncIterator[Allotments]:
    async with open_allotments(ledger, "USD", timedelta(seconds=4)) as allotments:
        yield allotments
    await ledger.close()


async def borrow(allotments: Allotments, route: Route, amount: int) -> Loan:
    return await allotments.borrow(Payer(route), "m", Decimal(amount))


async def test_many_calls_ask_the_shard_few_times(
    allotments: Allotments, ledger: Flaky, route: Route
) -> None:
    await add_budget(route, "all", 1_000_000)
    for _ in range(200):
        loan = await borrow(allotments, route, 1)
        allotments.release(loan)

    assert ledger.asked < 20


async def test_together_they_never_borrow_more_than_there_is(
    allotments: Allotments, route: Route
) -> None:
    await add_budget(route, "all", 100)
    calls = [borrow(allotments, route, 3) for _ in range(60)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    loans = [each for each in outcomes if isinstance(each, Loan)]
    assert len(loans) == 33
    assert all(isinstance(each, Loan | BudgetExceeded) for each in outcomes)
    await asyncio.gather(*(allotments.settle(each, Decimal(2), ()) for each in loans))

    async def told() -> bool:
        return await standing(route) == {"all": (66, 0)}

    await eventually(told)


@pytest.mark.parametrize("lost", ["lose_answers", "lose_questions"])
async def test_what_was_spent_counts_once_though_messages_are_lost(
    allotments: Allotments, ledger: Flaky, route: Route, lost: str
) -> None:
    await add_budget(route, "all", 1000)
    loans = [await borrow(allotments, route, 5) for _ in range(6)]
    for loan in loans:
        setattr(ledger, lost, 1)
        await allotments.settle(loan, Decimal(3), ())

    async def told() -> bool:
        return bool((await standing(route))["all"][0] == 18)

    await eventually(told)
    await asyncio.sleep(1)
    assert (await standing(route))["all"][0] == 18


async def test_a_bug_fails_those_who_ask_and_nobody_later(
    allotments: Allotments, ledger: Flaky, route: Route
) -> None:
    await add_budget(route, "all", 1000)
    ledger.broken = True
    with pytest.raises(InternalError):
        await asyncio.wait_for(borrow(allotments, route, 5), 10)

    ledger.broken = False
    await allotments.settle(await borrow(allotments, route, 5), Decimal(3), ())
    assert (await standing(route))["all"][0] == 3


async def test_leases_are_renewed_and_what_is_idle_is_given_back(
    allotments: Allotments, route: Route
) -> None:
    await add_budget(route, "all", 1_000_000)
    loan = await borrow(allotments, route, 7)

    await asyncio.sleep(5)  # longer than the lease
    assert (await standing(route))["all"][1] >= 7
    await allotments.settle(loan, Decimal(7), ())

    async def given_back() -> bool:
        return await standing(route) == {"all": (7, 0)}

    await eventually(given_back)


async def test_a_budget_that_is_new_holds_from_the_next_call_on(
    allotments: Allotments, route: Route
) -> None:
    await add_budget(route, "all", 1_000_000)
    await allotments.settle(await borrow(allotments, route, 7), Decimal(7), ())
    await add_budget(route, "small", 10)
    await allotments.settle(await borrow(allotments, route, 7), Decimal(7), ())

    with pytest.raises(BudgetExceeded):
        await borrow(allotments, route, 11)
    assert (await standing(route))["small"][0] <= 7


async def test_who_leaves_gives_back(allotments: Allotments, route: Route) -> None:
    await add_budget(route, "all", 10)
    waiting = [asyncio.create_task(borrow(allotments, route, 2)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    async def free() -> bool:
        return await standing(route) == {"all": (0, 0)}

    await eventually(free)


async def test_at_the_end_everything_is_given_back(ledger: Flaky, route: Route) -> None:
    await add_budget(route, "all", 1_000_000)
    async with open_allotments(ledger, "USD") as allotments:
        loan = await borrow(allotments, route, 3)
        await allotments.settle(loan, Decimal(2), ())

    assert await standing(route) == {"all": (2, 0)}
