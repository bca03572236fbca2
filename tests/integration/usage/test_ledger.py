"""What the shard's function decides, against a model of it in a few lines."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.tenancy import Route
from libs.usage import Attribution
from libs.usage.budgets import Adjust, Command, Release, Reserve, Settle, applied
from tests.integration.usage.support import add_budget, standing

LEASE = timedelta(minutes=5)
LIMITS = {"all": 60, "web": 25}
PROJECTS = ("", "web")


@dataclass
class Model:
    """Budgets of a tenant and of the project web; what is open, and what has ended."""

    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))
    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))
    open: dict[UUID, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    ended: dict[UUID, tuple[str, int]] = field(default_factory=dict)

    def decide(self, command: Command) -> Any:
        """The answer to expect: a state, or a reason."""
        match command:
            case Reserve():
                return self._reserve(command)
            case Settle() | Release():
                return self._end(command)
            case Adjust():
                return self._adjust(command)

    def _budgets(self, who: Attribution) -> tuple[str, ...]:
        return ("all", "web") if who.project_id == "web" else ("all",)

    def _fits(self, names: tuple[str, ...], amount: int) -> bool:
        return all(self.spent[n] + self.held[n] + amount <= LIMITS[n] for n in names)

    def _hold(self, names: tuple[str, ...], amount: int) -> None:
        for name in names:
            self.held[name] += amount

    def _spend(self, names: tuple[str, ...], amount: int) -> None:
        for name in names:
            self.spent[name] += amount

    def _reserve(self, command: Reserve) -> Any:
        names, amount = self._budgets(command.attribution), int(command.amount or 0)
        if not self._fits(names, amount):
            return "BUDGET_EXCEEDED"
        self._hold(names, amount)
        self.open[command.id] = amount, names
        return "open"

    def _end(self, command: Settle | Release) -> Any:
        settles = isinstance(command, Settle)
        spent = int(command.amount) if isinstance(command, Settle) else 0
        if command.id in self.ended:
            before = self.ended[command.id]
            same = before == ("settled", spent) if settles else before[0] == "released"
            return before[0] if same else "RESERVATION_ENDED"
        if command.id not in self.open:
            return "RESERVATION_NOT_FOUND"
        amount, names = self.open[command.id]
        if spent > amount:
            return "SETTLEMENT_ABOVE_RESERVATION"
        del self.open[command.id]
        self._hold(names, -amount)
        self._spend(names, spent)
        self.ended[command.id] = ("settled" if settles else "released", spent)
        return self.ended[command.id][0]

    def _adjust(self, command: Adjust) -> Any:
        amount, names = self.open.get(command.id, (0, self._budgets(command.attribution)))
        spent, back = int(command.spent), int(command.back)
        self._hold(names, -spent - back)
        self._spend(names, spent)
        amount -= spent + back
        grants = []
        for need in map(int, command.needs):
            grants.append(self._fits(names, need))
            if grants[-1]:
                self._hold(names, need)
                amount += need
        if amount:
            self.open[command.id] = amount, names
        else:
            self.open.pop(command.id, None)
        return grants


@dataclass
class Player:
    """Chooses commands that have sense, and some that have none."""

    rng: random.Random
    model: Model = field(default_factory=Model)
    allotments: dict[UUID, tuple[int, str]] = field(default_factory=dict)  # turn, project
    reservations: list[UUID] = field(default_factory=list)

    def command(self) -> Command:
        kind = self.rng.random()
        if kind < 0.35 or not self.reservations:
            reserve = Reserve(Decimal(self.rng.randint(0, 9)), "USD", LEASE, self._who())
            self.reservations.append(reserve.id)
            return reserve
        if kind < 0.6:
            return Settle(self._any(), Decimal(self.rng.randint(0, 9)))
        if kind < 0.7:
            return Release(self._any())
        return self._adjust()

    def _who(self) -> Attribution:
        return Attribution(project_id=self.rng.choice(PROJECTS))

    def _any(self) -> UUID:
        return self.rng.choice([*self.reservations, uuid4()])

    def _adjust(self) -> Adjust:
        live = [each for each in self.allotments if each in self.model.open]
        name = self.rng.choice(live) if live and self.rng.random() < 0.7 else uuid4()
        turn, project = self.allotments.get(name, (0, self.rng.choice(PROJECTS)))
        self.allotments[name] = turn + 1, project
        has = self.model.open.get(name, (0, ()))[0]
        spent = self.rng.randint(0, has)
        back = self.rng.randint(0, has - spent)
        needs = [Decimal(self.rng.randint(1, 9)) for _ in range(self.rng.randint(0, 3))]
        who = Attribution(project_id=project)
        amounts = Decimal(spent), (), Decimal(back)
        return Adjust(name, turn, who, "", "USD", LEASE, *amounts, needs)


@pytest.mark.parametrize("seed", range(6))
async def test_the_function_decides_as_the_model(route: Route, seed: int) -> None:
    await add_budget(route, "all", LIMITS["all"])
    await add_budget(route, "web", LIMITS["web"], project="web")
    player = Player(random.Random(seed))
    model = player.model

    for _ in range(40):
        batch: dict[UUID, Command] = {}
        expected = []
        for _ in range(player.rng.randint(1, 5)):
            command = player.command()
            if command.id not in batch:
                batch[command.id] = command
                expected.append(model.decide(command))
        answers = await applied(route, list(batch.values()))
        for command, answer, wanted in zip(batch.values(), answers, expected, strict=True):
            if isinstance(command, Adjust):
                assert answer["grants"] == wanted, command
            else:
                assert answer.get("refused", answer.get("state")) == wanted, command
        found = await standing(route)
        assert found == {name: (model.spent[name], model.held[name]) for name in LIMITS}


async def test_an_adjustment_whose_answer_was_lost_counts_once(route: Route) -> None:
    await add_budget(route, "all", 100)
    name, needs = uuid4(), [Decimal(10)]
    first = Adjust(name, 0, Attribution(), "", "USD", LEASE, needs=needs)
    second = Adjust(name, 1, Attribution(), "", "USD", LEASE, Decimal(4), (), Decimal(1), needs)

    for adjust in (first, first, second, second, second):
        await applied(route, [adjust])

    assert await standing(route) == {"all": (4, 15)}


async def test_what_was_spent_counts_though_the_lease_is_over(route: Route) -> None:
    await add_budget(route, "all", 100)
    name, who, soon = uuid4(), Attribution(), timedelta(milliseconds=1)
    await applied(route, [Adjust(name, 0, who, "", "USD", soon, needs=[Decimal(10)])])

    late = Adjust(name, 1, who, "", "USD", LEASE, Decimal(7), needs=[Decimal(5)])
    (answer,) = await applied(route, [late])
    await applied(route, [late])

    assert (answer["state"], answer["grants"]) == ("ended", [])
    assert await standing(route) == {"all": (7, 0)}
