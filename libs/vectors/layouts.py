"""Which lengths of vectors the index holds for a tenant, and which of them searches use.

Every write goes to all that are held. What searches use may be known from a few seconds ago: what
they no longer use is given up later than that.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

import asyncpg

from libs.spine import Write, read
from libs.tenancy import Route, TenantId
from libs.vectors import Collection

TRUSTED = 2.0  # seconds for which searches go by what was read before
_KEPT = 10_000  # tenants whose layouts are in memory

_GET = """
    SELECT searched, other
    FROM aeterna.vector_layout WHERE tenant_id = $1 AND collection = $2 AND space = $3
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a tenant's index consists of.

    Attributes:
        searched: The length that searches use.
        held: Every length that writes go to.
    """

    searched: int
    held: frozenset[int]

    @classmethod
    def whole(cls, collection: Collection) -> Self:
        """Of a tenant that never asked for another: whole vectors."""
        return cls(collection.dimensions, frozenset({collection.dimensions}))

    @classmethod
    def of(cls, collection: Collection, rows: list[asyncpg.Record]) -> Self:
        """From the tenant's row, if there is one."""
        if not rows:
            return cls.whole(collection)
        (row,) = rows
        return cls(row["searched"], frozenset({row["searched"], row["other"]} - {None}))


@dataclass(frozen=True)
class Layouts:
    """Layouts in the shard's PostgreSQL."""

    clock: Callable[[], float] = monotonic
    _known: OrderedDict[tuple[TenantId, Collection], tuple[float, int]] = field(
        default_factory=OrderedDict
    )

    async def now(self, route: Route, collection: Collection) -> Layout:
        """As it is now; it may change at once."""
        if not collection.prefixes:
            return Layout.whole(collection)
        rows = await read(route, _GET, collection.name, collection.space)
        return Layout.of(collection, rows)

    async def locked(self, write: Write, collection: Collection) -> Layout:
        """As it stays until the write ends."""
        if not collection.prefixes:
            return Layout.whole(collection)
        target = (write.route.tenant, collection.name, collection.space)
        return Layout.of(collection, await write.conn.fetch(_GET, *target))

    async def searched(self, route: Route, collection: Collection) -> int:
        """The length that searches use, at most TRUSTED seconds old."""
        key, at = (route.tenant, collection), self.clock()
        read_at, length = self._known.get(key, (-TRUSTED, 0))
        if at - read_at >= TRUSTED:
            length = (await self.now(route, collection)).searched
            self._known[key] = at, length
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return length
