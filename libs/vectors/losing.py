"""Notices that an index elsewhere has lost what a tenant had in it, and has it written again.

A server that comes back empty answers like one to which nothing was ever written, and the next
write makes its collection anew. So what it holds of a tenant is held against the rows: before the
first search, once a minute, and whenever the server may have been away.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

import structlog

from libs.errors import AppError
from libs.spine import read, writing
from libs.tenancy import Route, TenantId
from libs.vectors import IndexUnavailable, Owed

log = structlog.get_logger(__name__)

_TRUSTED = 60.0  # seconds for which a look is good
_PATIENCE = 3600.0  # seconds until the same is queued again
_COUNTED = 2_000  # rows at most: of an index that holds half as many no more is asked
_KEPT = 10_000  # tenants in memory

_UP_TO = """
    SELECT count(*) AS count FROM (SELECT FROM {table} WHERE tenant_id = $1{where} LIMIT $2) AS r
"""
_AGAIN = """
    INSERT INTO aeterna.projection_queue (tenant_id, number, collection, entity_id)
    SELECT $1, number, $2, id FROM {table} WHERE tenant_id = $1{where}
    ON CONFLICT DO NOTHING
"""
_Key = tuple[TenantId, str]


@dataclass(frozen=True)
class OwedRows:
    """`Owed` by a table.

    Attributes:
        where: SQL that goes on after a condition: which of its rows.
    """

    collection: str
    table: str
    where: str = ""

    async def up_to(self, route: Route, limit: int) -> int:
        sql = _UP_TO.format(table=self.table, where=self.where)
        (row,) = await read(route, sql, limit)
        return int(row["count"])

    async def again(self, route: Route) -> None:
        async with writing(route) as write:
            write.add(_AGAIN.format(table=self.table, where=self.where), self.collection)


@dataclass(frozen=True)
class Looks:
    """What was found whole, and what was queued again, by when."""

    clock: Callable[[], float] = monotonic
    _whole: dict[_Key, float] = field(default_factory=dict)
    _queued: dict[_Key, float] = field(default_factory=dict)

    async def demand(
        self, route: Route, place: str, held: Callable[[], Awaitable[int]], owed: Owed
    ) -> None:
        """Raises IndexUnavailable when a place holds less than half of what it is to: some may be
        on their way, or have texts that the embedder refuses."""
        key = (route.tenant, place)
        if self._is_new(self._whole, key, _TRUSTED):
            return
        points, rows = await held(), await owed.up_to(route, _COUNTED)
        if points * 2 < rows:
            log.error("vector_index.lost", tenant=route.tenant, points=points, expected=rows)
            await self._again(route, key, owed)
            raise IndexUnavailable
        self._note(self._whole, key)

    def forget(self) -> None:
        """Everything is looked at again: the server may come back without its data."""
        self._whole.clear()

    async def _again(self, route: Route, key: _Key, owed: Owed) -> None:
        """Not with each search: a text that is refused is never in the index."""
        if self._is_new(self._queued, key, _PATIENCE):
            return
        try:
            await owed.again(route)
        except AppError as error:
            log.warning("vector_index.not_queued", tenant=route.tenant, error=error.reason)
        else:
            self._note(self._queued, key)

    def _is_new(self, noted: dict[_Key, float], key: _Key, seconds: float) -> bool:
        return key in noted and self.clock() - noted[key] < seconds

    def _note(self, noted: dict[_Key, float], key: _Key) -> None:
        if len(noted) >= _KEPT:
            noted.clear()
        noted[key] = self.clock()
