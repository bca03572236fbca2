"""Measuring what searches by shortened vectors miss, beside the searches of clients."""

from dataclasses import dataclass

import structlog

from libs.errors import AppError
from libs.vectors import Reach
from services.memory.domain.policy import LADDER, OVERSAMPLING, Policy
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
        length = (await self.policies.used(route, Policy.PRECISE)).reach.dimensions
        reaches = {policy: Reach(length, OVERSAMPLING[policy]) for policy in LADDER}
        found = {
            policy: await nearest.index.search(
                route, nearest.collection, vector, where, _RESULTS, reach
            )
            for policy, reach in reaches.items()
        }
        ids = {policy: [hit.id for hit in hits] for policy, hits in found.items()}
        self.policies.losses.observe((route.tenant, length), ids)
