"""Everything that the database holds, as a dump would have it: every cell of every row."""

from collections.abc import Iterable

from tests.databases import Database

_TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema IN ('aeterna', 'control') AND table_type = 'BASE TABLE'
"""


async def holding(database: Database, needles: Iterable[str]) -> dict[str, int]:
    """How many cells of each table hold one of these, in clear, as texts or as bytes."""
    wanted = [each.encode() for each in needles]
    found: dict[str, int] = {}
    async with database.connect() as superuser:
        for schema, table in await superuser.fetch(_TABLES):
            for row in await superuser.fetch(f"SELECT * FROM {schema}.{table}"):
                cells = [_bytes(each) for each in row.values()]
                hits = sum(needle in cell for cell in cells for needle in wanted)
                if hits:
                    found[f"{schema}.{table}"] = found.get(f"{schema}.{table}", 0) + hits
    return found


def _bytes(cell: object) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode()
