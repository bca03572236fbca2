"""Rows of memories, shared by reading and writing."""

import asyncpg

from libs.scope import SCOPE_IDS, Scope
from services.memory.domain.memory import Layer, Stored

COLUMNS = (
    "id, layer, org_id, team_id, project_id, session_id, user_id, agent_id, importance, version,"
    " number, content, metadata, created_at, updated_at"
)


def from_row(row: asyncpg.Record) -> Stored:
    """A row with COLUMNS, in any order."""
    return Stored(
        id=row["id"],
        layer=Layer(row["layer"]),
        scope=Scope(*(row[name] for name in SCOPE_IDS)),
        importance=row["importance"],
        version=row["version"],
        number=row["number"],
        content=row["content"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def to_columns(memories: list[Stored]) -> list[list[object]]:
    """One list for each of COLUMNS, for unnest()."""
    rows = [
        (
            each.id,
            each.layer.value,
            *each.scope.values(),
            each.importance,
            each.version,
            each.number,
            each.content,
            each.metadata,
            each.created_at,
            each.updated_at,
        )
        for each in memories
    ]
    return [list(column) for column in zip(*rows, strict=True)]
