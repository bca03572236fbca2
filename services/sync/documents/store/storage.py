"""How much is stored for a tenant: bytes of what is sealed, snapshots and edits included."""

from collections.abc import Mapping

from libs.spine import read
from libs.tenancy import Route
from libs.usage import Kind

_STORED = """
    SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM (
        SELECT octet_length(fields) AS bytes FROM aeterna.shared_document WHERE tenant_id = $1
        UNION ALL
        SELECT octet_length(content) FROM aeterna.shared_document_snapshot WHERE tenant_id = $1
        UNION ALL
        SELECT octet_length(content) FROM aeterna.shared_document_edit WHERE tenant_id = $1
    ) AS stored
"""


async def stored(route: Route) -> Mapping[Kind, int]:
    """Now. Raises StoreUnavailable."""
    (row,) = await read(route, _STORED)
    return {Kind.BYTE_HOURS: row["bytes"]}
