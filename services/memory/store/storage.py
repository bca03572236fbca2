"""How much is stored for a tenant: vectors, and bytes of what is sealed, versions included."""

from collections.abc import Mapping

from libs.spine import read
from libs.tenancy import Route
from libs.usage import Kind

_STORED = """
    SELECT count(*) FILTER (WHERE searched) AS vectors, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM (
        SELECT tier = 'hot' AS searched, octet_length(content) + octet_length(metadata)
            + octet_length(author) + octet_length(source) AS bytes
        FROM aeterna.memory WHERE tenant_id = $1
        UNION ALL
        SELECT false, octet_length(content) + octet_length(metadata) + octet_length(author)
            + octet_length(source)
        FROM aeterna.memory_version WHERE tenant_id = $1
    ) AS stored
"""


async def stored(route: Route) -> Mapping[Kind, int]:
    """Now. Raises StoreUnavailable."""
    (row,) = await read(route, _STORED)
    return {Kind.VECTOR_HOURS: row["vectors"], Kind.BYTE_HOURS: row["bytes"]}
