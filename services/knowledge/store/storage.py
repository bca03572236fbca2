"""How much is stored for a tenant: vectors, and bytes of what is sealed, versions included."""

from collections.abc import Mapping

from libs.spine import read
from libs.tenancy import Route
from libs.usage import Kind

_STORED = """
    SELECT count(*) FILTER (WHERE searched) AS vectors, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM (
        SELECT true AS searched, octet_length(title) + octet_length(content) AS bytes
        FROM aeterna.knowledge_item WHERE tenant_id = $1
        UNION ALL
        SELECT false, octet_length(title) + octet_length(content)
        FROM aeterna.knowledge_version WHERE tenant_id = $1
    ) AS stored
"""


async def stored(route: Route) -> Mapping[Kind, int]:
    """Now. Raises StoreUnavailable."""
    (row,) = await read(route, _STORED)
    return {Kind.VECTOR_HOURS: row["vectors"], Kind.BYTE_HOURS: row["bytes"]}
