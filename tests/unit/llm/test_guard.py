"""When a failing model is left alone, and when it is tried again."""

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from pydantic import BaseModel

from libs.llm import Completion, M, ModelUnavailable
from libs.llm.guard import GuardedModel
from libs.usage import Kind, Payer
from libs.usage.errors import BudgetExceeded
from libs.usage.prices import BUILT_IN, PriceTable
from libs.usage.till import Bill, Quantities
from tests.unit.encryption.support import make_route

PAYER = Payer(make_route("acme"))


@dataclass
class Till:
    """Remembers what it let pass; is its own bill."""

    refuse: bool = False
    admitted: list[Quantities] = field(default_factory=list)
    settled: list[Quantities] = field(default_factory=list)
    void: int = 0
    prices: PriceTable = BUILT_IN

    async def admit(self, payer: Payer, most: Quantities) -> Bill:
        if self.refuse:
            raise BudgetExceeded("b", "1", "1", "0")
        self.admitted.append(most)
        return TillBill(self)


@dataclass
class TillBill:
    """Of one call."""

    till: Till

    async def settle(self, used: Quantities, *, estimated: bool = False) -> Decimal | None:
        self.till.settled.append(used)
        return None

    async def void(self) -> None:
        self.till.void += 1


class Said(BaseModel):
    """Nothing."""


@dataclass
class Flaky:
    """A model that fails as often as it is told."""

    failures: int
    name: str = "flaky"
    calls: int = 0

    async def ask(
        self, payer: Payer, instructions: str, text: str, shape: type[M]
    ) -> Completion[M]:
        self.calls += 1
        if self.calls <= self.failures:
            raise ModelUnavailable(self.name, "test")
        return Completion(shape(), 10, 20)


@dataclass
class Clock:
    """Stands still unless moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Guarded:
    """A guard with what it guards."""

    model: Flaky
    clock: Clock = field(default_factory=Clock)
    till: Till = field(default_factory=Till)

    def __post_init__(self) -> None:
        self.guard = GuardedModel(self.model, self.till, 100, clock=self.clock)

    async def fails(self) -> bool:
        try:
            await self.guard.ask(PAYER, "", "", Said)
        except ModelUnavailable:
            return True
        return False


async def test_it_is_left_alone_after_three_failures_in_a_row() -> None:
    guarded = Guarded(Flaky(failures=100))

    assert all([await guarded.fails() for _ in range(10)])

    assert guarded.model.calls == 3


async def test_after_the_pause_one_call_tries_it_and_success_opens_it() -> None:
    guarded = Guarded(Flaky(failures=4))
    for _ in range(3):
        await guarded.fails()

    guarded.clock.now = 31.0
    assert await guarded.fails()  # the trial
    assert await guarded.fails()  # left alone again
    assert guarded.model.calls == 4
    guarded.clock.now = 62.0
    assert not await guarded.fails()
    assert not await guarded.fails()
    assert guarded.model.calls == 6


async def test_a_success_forgets_failures() -> None:
    guarded = Guarded(Flaky(failures=2))
    for _ in range(3):
        await guarded.fails()
    guarded.model.failures = 5  # the next two fail again

    assert [await guarded.fails() for _ in range(3)] == [True, True, False]


async def test_a_call_is_paid_for_as_counted_and_admitted_for_the_most_it_can_use() -> None:
    guarded = Guarded(Flaky(failures=1))

    await guarded.fails()
    await guarded.guard.ask(PAYER, "do", "thé", Said)

    till = guarded.till
    assert till.settled == [{Kind.INPUT_TOKENS: 10, Kind.OUTPUT_TOKENS: 20}]
    assert till.void == 1
    most = till.admitted[-1]
    assert most[Kind.OUTPUT_TOKENS] == 100
    assert most[Kind.INPUT_TOKENS] >= len(b"do") + len("thé".encode())


async def test_what_a_budget_refuses_is_not_the_models_fault() -> None:
    guarded = Guarded(Flaky(failures=0))
    guarded.till.refuse = True
    for _ in range(5):
        with pytest.raises(BudgetExceeded):
            await guarded.guard.ask(PAYER, "", "", Said)
    guarded.till.refuse = False

    assert not await guarded.fails()
    assert guarded.model.calls == 1
