"""Rows of items: their columns, and an item from a row and back."""

from uuid import UUID

import asyncpg

from libs.scope import Scope
from libs.spine.versioned import Shape
from libs.vectors.losing import OwedRows
from services.knowledge.domain.item import ITEM_IDS, Kind, Layer, Stored
from services.knowledge.domain.status import Status
from services.knowledge.errors import ItemNotFound

COLLECTION = "knowledgeItems"


def item_from(row: asyncpg.Record, supersedes: frozenset[UUID] = frozenset()) -> Stored:
    """An item from a row with its columns, in any order."""
    return Stored(
        id=row["id"],
        kind=Kind(row["kind"]),
        layer=Layer(row["layer"]),
        scope=Scope(**{name: row[name] for name in ITEM_IDS}),
        status=Status(row["status"]),
        author=row["author"],
        proposer=row["proposer"],
        version=row["version"],
        number=row["number"],
        title=row["title"],
        content=row["content"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        supersedes=supersedes,
    )


def _to_row(item: Stored) -> tuple[object, ...]:
    return (
        item.id,
        item.kind.value,
        item.layer.value,
        *(getattr(item.scope, name) for name in ITEM_IDS),
        item.status.value,
        item.author,
        item.proposer,
        item.version,
        item.number,
        item.title,
        item.content,
        item.created_at,
        item.updated_at,
    )


ITEMS = Shape(
    collection=COLLECTION,
    table="aeterna.knowledge_item",
    versions="aeterna.knowledge_version",
    columns={
        "id": "uuid",
        "kind": "text",
        "layer": "text",
        **dict.fromkeys(ITEM_IDS, "text"),
        "status": "text",
        "author": "text",
        "proposer": "text",
        "version": "bigint",
        "number": "bigint",
        "title": "bytea",
        "content": "bytea",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
    from_row=item_from,
    to_row=_to_row,
    missing=ItemNotFound,
)

# What the vector index is to hold.
OWED = OwedRows(COLLECTION, ITEMS.table)
