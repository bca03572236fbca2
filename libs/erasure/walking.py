"""Erasing a person from texts that a service keeps, by the batch, as steps of an operation.

Governance begins the operation and waits for it: once to erase, once to look what is left. Knows
nothing of what the texts belong to.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from libs.changes import Origin
from libs.erasure import Erasure
from libs.erasure.ledger import Ledger
from libs.operations import Fields, Progress
from libs.tenancy import Route

ERASE, LOOK = "erase", "look"
_SECONDS = 0.7  # of one step, after which it is written down how far it is


def asking(erasure: UUID, mode: str, origin: Origin) -> Fields:
    """The parameters of the operation: nothing about the person."""
    return {
        "erasure": str(erasure),
        "mode": mode,
        "actor": origin.actor,
        "trace_id": origin.trace_id,
    }


class Texts(Protocol):
    """What a service keeps. Every method may be repeated."""

    async def batch(self, route: Route, after: UUID | None) -> list[UUID]:
        """The next things, in the order of their ids; none: there is nothing more."""

    async def erase(
        self, route: Route, erasure: Erasure, origin: Origin, batch: list[UUID]
    ) -> Mapping[str, int]:
        """Deletes or rewrites; how many things were `found` and `erased`."""

    async def look(self, route: Route, erasure: Erasure, batch: list[UUID]) -> int:
        """How many things name the person still."""

    async def finish(self, route: Route, origin: Origin) -> None:
        """Once all is erased: what was derived from it does not count any more."""


@dataclass(frozen=True)
class Walking:
    """`libs.operations.Step` over all things of a tenant."""

    ledger: Ledger
    texts: Texts

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        erasure = await self.ledger.asked(route.tenant, UUID(parameters["erasure"]))
        counts, after = Counter(progress.result), _after(progress)
        until, finished = monotonic() + _SECONDS, False
        while not finished and monotonic() < until:
            batch = await self.texts.batch(route, after)
            after = batch[-1] if batch else None
            finished = not batch
            if batch:
                counts.update(await self._treated(route, parameters, erasure, batch))
        if finished and parameters["mode"] == ERASE:
            await self.texts.finish(route, Origin(parameters["actor"], parameters["trace_id"]))
        cursor = {"after": str(after)} if after else {}
        done = counts["found"] if parameters["mode"] == ERASE else counts["left"]
        return Progress(done, done, finished, cursor, dict(counts))

    async def _treated(
        self, route: Route, parameters: Fields, erasure: Erasure, batch: list[UUID]
    ) -> Mapping[str, Any]:
        if parameters["mode"] == LOOK:
            return {"left": await self.texts.look(route, erasure, batch)}
        origin = Origin(parameters["actor"], parameters["trace_id"])
        return await self.texts.erase(route, erasure, origin, batch)


def _after(progress: Progress) -> UUID | None:
    after = progress.cursor.get("after")
    return UUID(after) if after else None
