"""Rows of memories: their columns, and a memory from a row and back."""

import json
from operator import itemgetter

import asyncpg

from libs.scope import SCOPE_IDS, Scope
from libs.spine.versioned import Shape
from libs.vectors.losing import OwedRows
from services.memory.domain.feedback import Counts, Feedback
from services.memory.domain.memory import EVER, NEVER, Layer, Stored, Tier
from services.memory.errors import MemoryNotFound

COLLECTION = "memories"
_LAYERS = {layer.value: layer for layer in Layer}
_TIERS = {tier.value: tier for tier in Tier}
_scope_ids = itemgetter(*SCOPE_IDS)


def _from_row(row: asyncpg.Record) -> Stored:
    return Stored(
        id=row["id"],
        layer=_LAYERS[row["layer"]],
        scope=Scope(*_scope_ids(row)),
        importance=row["importance"],
        version=row["version"],
        number=row["number"],
        content=row["content"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        author=row["author"],
        event_at=row["event_at"] or row["created_at"],
        confirmed_at=row["confirmed_at"] or row["updated_at"],
        source=row["source"],
        trust=row["trust"],
        valid_from=row["valid_from"] or EVER,
        valid_until=row["valid_until"] or NEVER,
        supersedes=row["supersedes"],
        superseded_by=row["superseded_by"],
        tier=_TIERS[row["tier"]],
        feedback=_counts(row["feedback"]),
        occurrences=row["occurrences"],
    )


def _counts(text: str) -> Counts:
    """Most memories have no feedback, and searches read many."""
    if text == "{}":
        return {}
    return {Feedback(name): count for name, count in json.loads(text).items()}


def _to_row(memory: Stored) -> tuple[object, ...]:
    return (
        memory.id,
        memory.layer.value,
        *memory.scope.values(),
        memory.importance,
        memory.version,
        memory.number,
        memory.content,
        memory.metadata,
        memory.created_at,
        memory.updated_at,
        memory.author,
        memory.event_at,
        memory.confirmed_at,
        memory.source,
        memory.trust,
        None if memory.valid_from == EVER else memory.valid_from,
        None if memory.valid_until == NEVER else memory.valid_until,
        memory.supersedes,
        memory.superseded_by,
        memory.tier.value,
        json.dumps(memory.feedback),
        memory.occurrences,
    )


MEMORIES = Shape(
    collection=COLLECTION,
    table="aeterna.memory",
    versions="aeterna.memory_version",
    columns={
        "id": "uuid",
        "layer": "text",
        **dict.fromkeys(SCOPE_IDS, "text"),
        "importance": "float8",
        "version": "bigint",
        "number": "bigint",
        "content": "bytea",
        "metadata": "bytea",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
        "author": "bytea",
        "event_at": "timestamptz",
        "confirmed_at": "timestamptz",
        "source": "bytea",
        "trust": "float8",
        "valid_from": "timestamptz",
        "valid_until": "timestamptz",
        "supersedes": "uuid",
        "superseded_by": "uuid",
        "tier": "text",
        "feedback": "jsonb",
        "occurrences": "bigint",
    },
    from_row=_from_row,
    to_row=_to_row,
    missing=MemoryNotFound,
)

# What the vector index is to hold.
OWED = OwedRows(COLLECTION, MEMORIES.table, " AND tier = 'hot'")
