"""What a policy or a latency budget means for a search of the tenant's vectors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from time import monotonic
from typing import NamedTuple

from libs.tenancy import Route
from libs.vectors import Collection, Reach
from libs.vectors.layouts import Layouts
from services.memory.domain.policy import OVERSAMPLING, Latencies, Losses, Policy
from services.memory.search import Query, Strategy

_EVERY = 16  # of so many adaptive searches the loss of one is measured
_WAITING = 8  # measurements at most; what comes while so many wait is not measured


@dataclass(frozen=True, slots=True)
class Used:
    """How the vector index is asked.

    Attributes:
        scored: The length of the vectors that give scores.
        loss: Share of the results of PRECISE that are missed, 0 to 1; None if that is not known.
    """

    policy: Policy
    reach: Reach
    scored: int
    loss: float | None = None


class Sampled(NamedTuple):
    """A search whose loss is to be measured."""

    route: Route
    query: Query


@dataclass(frozen=True)
class Policies:
    """Chooses how searches ask the index, and learns how long they take and what they miss.

    `sampled` are those whose loss somebody should measure.
    """

    layouts: Layouts
    collection: Collection
    latencies: Latencies = field(default_factory=Latencies)
    losses: Losses = field(default_factory=Losses)
    sampled: asyncio.Queue[Sampled] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    clock: Callable[[], float] = monotonic
    number: Iterator[int] = field(default_factory=lambda: count(1))  # of adaptive searches

    @asynccontextmanager
    async def use(
        self, route: Route, query: Query, policy: Policy, budget: timedelta | None
    ) -> AsyncIterator[Used | None]:
        """For a search in the block: how it asks the index, None where it does not ask.

        `budget` is for ADAPTIVE.
        """
        if query.strategy is Strategy.LEXICAL:
            yield None
            return
        kind = (route.tenant, query.strategy)
        if policy is Policy.ADAPTIVE:
            policy = await self._adapted(route, query, budget.total_seconds() if budget else 0)
        used = await self.used(route, policy)
        begun = self.clock()
        yield used
        self.latencies.observe(kind, policy, self.clock() - begun)

    async def used(self, route: Route, policy: Policy) -> Used:
        """How a search of this policy asks the index."""
        whole = self.collection.dimensions
        length = await self.layouts.searched(route, self.collection)
        if length == whole:
            return Used(policy, Reach(whole, 0), whole)
        reach = Reach(length, OVERSAMPLING[policy])
        loss = self.losses.of((route.tenant, length), policy)
        return Used(policy, reach, whole if reach.rescored else length, loss)

    async def _adapted(self, route: Route, query: Query, budget: float) -> Policy:
        length = await self.layouts.searched(route, self.collection)
        if length < self.collection.dimensions and next(self.number) % _EVERY == 0:
            with suppress(asyncio.QueueFull):
                self.sampled.put_nowait(Sampled(route, query))
        enough = self.losses.enough((route.tenant, length))
        return self.latencies.choose((route.tenant, query.strategy), budget, enough)
