"""How much the memories of a tenant matter at the moment, by the tenant's own settings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from libs.tenancy import Route
from services.memory.domain.life import Life
from services.memory.domain.memory import Stored

LifeOf = Callable[[Route], Awaitable[Life]]
Aging = Callable[[Stored], float]  # the effective importance of a memory, now
AgingOf = Callable[[Route], Awaitable[Aging]]


@dataclass(frozen=True)
class AgingNow:
    """`AgingOf` by the clock; raises StoreUnavailable."""

    life: LifeOf
    now: Callable[[], datetime]

    async def __call__(self, route: Route) -> Aging:
        return partial((await self.life(route)).importance, at=self.now())
