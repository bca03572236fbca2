"""Going through memories of a tenant, in the order of their ids, over the steps of an operation."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.operations import Fields, Progress
from libs.spine import read
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from services.memory.domain.memory import Stored

_BATCH = 64  # memories that one step takes
_NOWHERE = str(UUID(int=0))
_EXTENT = """
    SELECT count(*) AS total, max(id::text COLLATE "C") AS last
    FROM aeterna.memory WHERE tenant_id = $1{where}
"""
_NEXT = """
    SELECT * FROM aeterna.memory
    WHERE tenant_id = $1 AND id > ${after} AND id <= ${last}{where} ORDER BY id LIMIT ${limit}
"""

# Does what is to be done with some memories, harmless to repeat; what it counted, for the response.
Work = Callable[[Route, Fields, Sequence[Stored]], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True)
class Walk:
    """`libs.operations.Step`: works on memories, each once. Those stored after its start are not
    its business.

    Attributes:
        where: SQL that goes on after a condition, over $2 and so on: which memories.
        values: Of its parameters, from those of the operation.
    """

    table: VersionedTable[Stored]
    work: Work
    where: str = ""
    values: Callable[[Fields], Sequence[object]] = lambda _: ()

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        values = self.values(parameters)
        if not progress.cursor:
            return await self._start(route, values)
        last = progress.cursor["last"]
        sql = self._next(len(values) + 2)
        rows = await read(route, sql, *values, progress.cursor["after"], last, _BATCH)
        memories = [self.table.entity(row) for row in rows]
        counts = await self.work(route, parameters, memories) if memories else {}
        done = progress.done + len(memories)
        return Progress(
            done,
            max(progress.total, done),
            finished=len(memories) < _BATCH,
            cursor={"after": str(memories[-1].id) if memories else last, "last": last},
            result=_sums(progress.result, counts),
        )

    async def _start(self, route: Route, values: Sequence[object]) -> Progress:
        (row,) = await read(route, _EXTENT.format(where=self.where), *values)
        cursor = {"after": _NOWHERE, "last": row["last"] or _NOWHERE}
        return Progress(0, row["total"], finished=row["last"] is None, cursor=cursor)

    def _next(self, first: int) -> str:
        """Its own parameters have the numbers from `first` on."""
        return _NEXT.format(after=first, last=first + 1, limit=first + 2, where=self.where)


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
