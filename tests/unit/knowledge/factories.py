"""Items and relations for tests of the domain."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.scope import Scope
from services.knowledge.domain.item import Kind, Layer, Stored
from services.knowledge.domain.relations import Relation, RelationKind
from services.knowledge.domain.status import Status

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_DRAFT = Stored(
    id=UUID(int=1),
    kind=Kind.ADR,
    layer=Layer.COMPANY,
    scope=Scope(),
    status=Status.DRAFT,
    author="ann",
    proposer="",
    version=1,
    number=1,
    title=b"title",
    content=b"content",
    created_at=NOON,
    updated_at=NOON,
)


def make_item(**values: Any) -> Stored:
    """A draft of Ann's, but for `values`."""
    return replace(_DRAFT, **values)


def make_relation(source: Stored, target: Stored, kind: RelationKind, number: int = 9) -> Relation:
    """A link between two items."""
    return Relation(UUID(int=1000 + number), source.id, target.id, kind, number, NOON)
