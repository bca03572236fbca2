"""One process that spends: many reservers at once on one budget, each telling what it was promised.

`python -m bench.budget_worker` with the JSON of a `Task`. Lines on standard output: "r MS" a
reservation was made, "n MS" one was refused, "s UNITS" so much was settled, for good. Ends when its
standard input does; it may be killed at any time.
"""

import asyncio
import gc
import json
import random
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import uvloop
from pydantic import SecretStr

from libs.errors import AppError
from libs.postgres import DatabaseSettings, open_pool
from libs.tenancy import Route, ShardId, TenantId
from libs.usage import Payer
from libs.usage.allotments import Allotments, open_allotments
from libs.usage.budgets import Ledger, Release, Reserve, Settle
from libs.usage.errors import BudgetExceeded
from libs.wakeups import Wakeups

CURRENCY = "USD"
_PAUSE = 0.2  # seconds after a refusal
_RELEASED = 0.2  # of the reservations: the call failed
_MOST = 5  # units of one reservation


@dataclass(frozen=True)
class Task:
    """What a process does. Times in seconds; a call takes up to `call`, and half of it at least."""

    dsn: str
    user: str
    password: str | None
    tenant: str
    reservers: int
    lease: float
    call: float
    allotted: bool  # as the services' own calls are paid, else as those of outside users

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Till(Protocol):
    """Either way to pay."""

    async def reserve(self, units: int) -> Any: ...
    async def settle(self, reserved: Any, units: int) -> None: ...
    async def release(self, reserved: Any) -> None: ...


@dataclass(frozen=True)
class Allotted:
    """Calls take from the allotment of their process."""

    allotments: Allotments
    payer: Payer

    async def reserve(self, units: int) -> Any:
        return await self.allotments.borrow(self.payer, "", Decimal(units))

    async def settle(self, reserved: Any, units: int) -> None:
        await self.allotments.settle(reserved, Decimal(units), ())

    async def release(self, reserved: Any) -> None:
        self.allotments.release(reserved)


@dataclass(frozen=True)
class Durable:
    """Each reservation is a row before it is answered: any process may settle it."""

    ledger: Ledger
    route: Route
    lease: timedelta

    async def reserve(self, units: int) -> Any:
        return await self.ledger.submit(self.route, Reserve(Decimal(units), CURRENCY, self.lease))

    async def settle(self, reserved: Any, units: int) -> None:
        await self.ledger.submit(self.route, Settle(reserved.id, Decimal(units)))

    async def release(self, reserved: Any) -> None:
        await self.ledger.submit(self.route, Release(reserved.id))


async def _reserver(till: Till, task: Task, rng: random.Random) -> None:
    """Reserves, calls, settles or releases, again and again."""
    await asyncio.sleep(rng.uniform(0, task.call))
    while True:
        units = rng.randint(1, _MOST)
        begun = time.perf_counter()
        try:
            reserved = await till.reserve(units)
        except BudgetExceeded:
            _tell("n", (time.perf_counter() - begun) * 1000)
            await asyncio.sleep(_PAUSE)
            continue
        _tell("r", (time.perf_counter() - begun) * 1000)
        await asyncio.sleep(rng.uniform(task.call / 2, task.call))
        await _end(till, reserved, units, rng)


async def _end(till: Till, reserved: Any, units: int, rng: random.Random) -> None:
    if rng.random() < _RELEASED:
        await till.release(reserved)
        return
    spent = rng.randint(1, units)
    with suppress(AppError):  # the lease was over
        await till.settle(reserved, spent)
        _tell("s", spent)


def _tell(what: str, value: float) -> None:
    sys.stdout.write(f"{what} {value:.3f}\n")
    sys.stdout.flush()


async def _work(task: Task) -> None:
    settings = DatabaseSettings(dsn=task.dsn, user=task.user, pool_size=2)
    if task.password:
        settings = settings.model_copy(update={"password": SecretStr(task.password)})
    lease = timedelta(seconds=task.lease)
    async with open_pool(settings) as pool:
        route = Route(TenantId(task.tenant), ShardId("main"), 1, pool)
        ledger = Ledger(Wakeups())
        async with open_allotments(ledger, CURRENCY, lease) as allotments:
            durable = Durable(ledger, route, lease)
            await _spend(Allotted(allotments, Payer(route)) if task.allotted else durable, task)
        await ledger.close()


async def _spend(till: Till, task: Task) -> None:
    """Until standard input ends."""
    gc.collect()
    gc.freeze()  # as a service does once it has started
    rng = random.Random()
    reservers = [asyncio.create_task(_reserver(till, task, rng)) for _ in range(task.reservers)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for each in reservers:
        each.cancel()
    await asyncio.gather(*reservers, return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(_work(Task(**json.loads(sys.argv[1]))))
