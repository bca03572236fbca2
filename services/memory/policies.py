"""Searches under a policy: what it means for the tenant's index, and what it took."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic

from libs.tenancy import Route
from libs.vectors import Reach
from libs.vectors.layouts import Layouts
from services.memory.domain.policy import OVERSAMPLING, Latencies, Policy
from services.memory.search import Query, Results, Search, Strategy


@dataclass(frozen=True, slots=True)
class Used:
    """How the vector index was asked; `scored` is the length of the vectors that gave scores."""

    policy: Policy
    reach: Reach
    scored: int


@dataclass(frozen=True)
class PolicySearch:
    """`Search` as far as a policy or a latency budget lets it look."""

    search: Search
    layouts: Layouts
    latencies: Latencies = field(default_factory=Latencies)
    clock: Callable[[], float] = monotonic

    async def __call__(
        self, route: Route, query: Query, policy: Policy, budget: timedelta | None
    ) -> tuple[Results, Used | None]:
        """What is found, and how: None where vectors were not asked. `budget` is for ADAPTIVE."""
        if query.strategy is Strategy.LEXICAL:
            return await self.search(route, query), None
        kind = (route.tenant, query.strategy)
        if policy is Policy.ADAPTIVE:
            policy = self.latencies.choose(kind, budget.total_seconds() if budget else 0)
        used = await self._used(route, policy)
        begun = self.clock()
        results = await self.search(route, replace(query, reach=used.reach))
        self.latencies.observe(kind, policy, self.clock() - begun)
        return results, used

    async def _used(self, route: Route, policy: Policy) -> Used:
        collection = self.search.nearest.collection
        length = await self.layouts.searched(route, collection)
        if length == collection.dimensions:
            return Used(policy, Reach(length, 0), length)
        reach = Reach(length, OVERSAMPLING[policy])
        return Used(policy, reach, collection.dimensions if reach.rescored else length)
