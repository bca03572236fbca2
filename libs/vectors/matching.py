"""Which entities a filter of rows lets through, for an index that does not see the rows."""

from collections.abc import Sequence
from uuid import UUID

from libs.aip.filtering import to_sql
from libs.spine import read
from libs.tenancy import Route
from libs.vectors.filters import Rows

_MATCHING = """
    SELECT id FROM {table}
    WHERE tenant_id = $1 AND ($2::uuid[] IS NULL OR id = ANY($2::uuid[])){comparisons} LIMIT $3
"""


async def matching_ids(
    route: Route, rows: Rows, limit: int, ids: Sequence[UUID] | None = None
) -> list[UUID]:
    """Those whose rows match, at most `limit`, in no order; only of `ids`, if they are given.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    comparisons, values = to_sql(rows.comparisons, 4)
    sql = _MATCHING.format(table=rows.table, comparisons=comparisons)
    return [row["id"] for row in await read(route, sql, ids, limit, *values)]
