"""What counts of a tenant's cached embeddings, as PostgreSQL has it.

An invalidation is a row of the tenant's change log. An entry remembers the tenant's newest change
when it was made, and rows that came later make it not count: at once, in every process and every
backend, whatever a cache has kept or lost.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from libs.changes import Change, Operation, Origin
from libs.embedding.cache.lookup import Rules
from libs.spine import read, writing
from libs.tenancy import Route
from libs.wakeups import Wakeups

RESOURCE = "embeddings"
EXACT_SECONDS = 24 * 3600  # how long an entry lies in each tier
SEMANTIC_SECONDS = 3600
_REMEMBERED = timedelta(seconds=EXACT_SECONDS) + timedelta(hours=1)  # an older entry is gone
_STATE = """
    SELECT s.seq, c.number, c.subject, c.event
    FROM aeterna.tenant_state AS s LEFT JOIN aeterna.change AS c
        ON c.tenant_id = $1 AND c.resource = $2 AND c.operation = $3
        AND c.committed_at > now() - $4::interval
    WHERE s.tenant_id = $1
"""


RulesOf = Callable[[Route], Awaitable[Rules]]


class Invalidation(NamedTuple):
    """Entries made before change `number` do not count: those of one subject, one model, or all."""

    number: int
    subject: str
    model: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts now; `number` is the tenant's newest change."""

    number: int
    invalidations: Sequence[Invalidation]
    rules: Rules

    def revoking(self, identity: str) -> Iterator[tuple[int, str]]:
        """Number and subject of the invalidations that concern the embedder of this identity; a
        model may be named with or without its dimensions."""
        for number, subject, model in self.invalidations:
            if not model or f"{identity}/".startswith(f"{model}/"):
                yield number, subject


class Policies:
    """The policy of each tenant, asked for with every use: one round trip to the shard."""

    def __init__(self, rules_of: RulesOf) -> None:
        self._rules_of = rules_of

    async def __call__(self, route: Route) -> Policy:
        """Raises StoreUnavailable when the shard cannot be reached."""
        rules = await self._rules_of(route)
        rows = await read(route, _STATE, RESOURCE, Operation.DELETED.value, _REMEMBERED)
        later = [
            Invalidation(row["number"], row["subject"], row["event"])
            for row in rows
            if row["number"]
        ]
        return Policy(rows[0]["seq"] if rows else 0, later, rules)


@dataclass(frozen=True)
class Invalidations:
    """Makes what was cached not count any more."""

    wakeups: Wakeups

    async def __call__(
        self, route: Route, origin: Origin, subject: str = "", model: str = ""
    ) -> int:
        """Of all texts, or those about one subject; of all models, or one.

        Returns:
            The number of the change.
        Raises:
            TenantMoved, TenantSuspended, StoreUnavailable: As they say.
        """
        change = Change(RESOURCE, Operation.DELETED, origin, subject, event=model)
        async with writing(route) as write:
            number = await write.append([change])
        self.wakeups.publish(route.tenant)
        return number
