"""What a policy or a latency budget means for a search of the tenant's vectors."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from libs.tenancy import Route
from libs.vectors import Collection, Reach
from libs.vectors.layouts import Layouts
from services.memory.domain.policy import OVERSAMPLING, Latencies, Policy
from services.memory.search import Strategy


@dataclass(frozen=True, slots=True)
class Used:
    """How the vector index is asked; `scored` is the length of the vectors that give scores."""

    policy: Policy
    reach: Reach
    scored: int


@dataclass(frozen=True)
class Policies:
    """Chooses how searches ask the index, and learns how long they take."""

    layouts: Layouts
    collection: Collection
    latencies: Latencies = field(default_factory=Latencies)
    clock: Callable[[], float] = monotonic

    @asynccontextmanager
    async def use(
        self, route: Route, strategy: Strategy, policy: Policy, budget: timedelta | None
    ) -> AsyncIterator[Used | None]:
        """For a search in the block: how it asks the index, None where it does not ask.

        `budget` is for ADAPTIVE.
        """
        if strategy is Strategy.LEXICAL:
            yield None
            return
        kind = (route.tenant, strategy)
        if policy is Policy.ADAPTIVE:
            policy = self.latencies.choose(kind, budget.total_seconds() if budget else 0)
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
        return Used(policy, reach, whole if reach.rescored else length)
