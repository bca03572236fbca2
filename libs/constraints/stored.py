"""A policy as it is stored. Pure: `store` reads and writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from libs.changes import Indexes
from libs.constraints import Layer, Merge, Mode
from libs.errors import AppError, Kind
from libs.scope import Scope

COLLECTION = "constraintPolicies"
MOST_RULES = 2000  # of all of them
MOST = 500  # policies of a tenant: all are looked at to resolve a scope


class PolicyNotFound(AppError):
    """There is no such policy in the tenant."""

    kind, reason = Kind.NOT_FOUND, "CONSTRAINT_POLICY_NOT_FOUND"

    def __init__(self, policy: UUID) -> None:
        name = f"{COLLECTION}/{policy}"
        super().__init__(f"There is no {name}.", constraintPolicy=name)


@dataclass(frozen=True, slots=True)
class Stored:
    """A policy as it is stored. `source` is the knowledge item that says what it is."""

    id: UUID
    key: str
    layer: Layer
    scope: Scope
    mode: Mode
    merge: Merge
    source: UUID | None
    rules: int  # how many
    author: str
    version: int
    number: int
    document: bytes
    created_at: datetime
    updated_at: datetime

    @property
    def subject(self) -> str:
        """Policies are the tenant's own, about nobody."""
        return ""

    @property
    def layer_name(self) -> str:
        """The layer, for the change log."""
        return self.layer.value

    @property
    def place_ids(self) -> Mapping[str, str]:
        """Where it is, for the change log."""
        return self.scope.place()

    @property
    def indexes(self) -> Indexes:
        """Policies are not searched."""
        return Indexes.NONE

    def at(self, number: int) -> Self:
        """The same, as made by the change with this number."""
        return replace(self, number=number)

    def payload(self) -> dict[str, str]:
        """Nothing: they are in no index."""
        return {}
