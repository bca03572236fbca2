"""When a failing model is left alone, and when it is tried again."""

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from pydantic import BaseModel

from libs.llm import Completion, M, ModelUnavailable
from libs.llm.guard import GuardedModel, Price


class Said(BaseModel):
    """Nothing."""


@dataclass
class Flaky:
    """A model that fails as often as it is told."""

    failures: int
    name: str = "flaky"
    calls: int = 0

    async def ask(self, instructions: str, text: str, shape: type[M]) -> Completion[M]:
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

    def __post_init__(self) -> None:
        price = Price(Decimal(1), Decimal(2), "USD")
        self.guard = GuardedModel(self.model, price, clock=self.clock)

    async def fails(self) -> bool:
        try:
            await self.guard.ask("", "", Said)
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


@pytest.mark.parametrize(("read", "written", "amount"), [(0, 0, "0"), (500_000, 250_000, "1.5")])
def test_prices_are_exact(read: int, written: int, amount: str) -> None:
    price = Price(Decimal(2), Decimal(2), "USD")

    assert price.of(Completion(Said(), read, written)) == Decimal(amount)
