"""Measuring what searches by shortened vectors miss, beside the searches of clients."""

from dataclasses import dataclass

import structlog

from libs.errors import AppError
from services.memory.domain.policy import LADDER
from services.memory.policies import Policies, Sampled
from services.memory.retrieval import Retriever

log = structlog.get_logger(__name__)

_RESULTS = 10  # that are compared


@dataclass(frozen=True)
class LossMeter:
    """Asks what was sampled again, by every policy."""

    policies: Policies
    retriever: Retriever

    async def run(self) -> None:
        """Measures one after the other, until cancelled."""
        while True:
            sampled = await self.policies.sampled.get()
            try:
                await self._measure(sampled)
            except AppError as error:
                log.warning("losses.not_measured", error=error.reason)

    async def _measure(self, sampled: Sampled) -> None:
        route, query = sampled
        nearest, where = self.retriever.nearest, query.view.filter()
        vector = await self.retriever.vector(route, query.view, query.text)
        used = {policy: await self.policies.used(route, policy) for policy in LADDER}
        lengths = {each.reach.dimensions for each in used.values()}
        found = {
            policy: await nearest.index.search(
                route, nearest.collection, vector, where, _RESULTS, each.reach
            )
            for policy, each in used.items()
        }
        if len(lengths) == 1:  # else the index has changed meanwhile
            ids = {policy: [hit.id for hit in hits] for policy, hits in found.items()}
            self.policies.losses.observe((route.tenant, *lengths), ids)
