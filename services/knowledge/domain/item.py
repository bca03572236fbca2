"""Knowledge items, their layers, and who is shown them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from libs.approvals import Approved
from libs.authorization.things import EVERYTHING, Sight, Thing, item_place
from libs.changes import Indexes
from libs.consent import Retrievable
from libs.constraints import Merge, Mode
from libs.errors import FieldViolation, InvalidRequest
from libs.scope import SCOPE_IDS, Scope
from libs.vectors.filters import Condition, Rows
from services.knowledge.domain.access import restricting
from services.knowledge.domain.status import Status


class Kind(StrEnum):
    """What an item is."""

    ADR = "adr"
    POLICY = "policy"
    PATTERN = "pattern"
    SPEC = "spec"
    HINDSIGHT = "hindsight"


class Layer(StrEnum):
    """How broadly an item applies, narrowest first."""

    PROJECT = "project"
    TEAM = "team"
    ORG = "org"
    COMPANY = "company"


# The ids that decide who sees an item; its layer needs the first of them.
BINDING: Mapping[Layer, tuple[str, ...]] = {
    Layer.PROJECT: ("project_id", "team_id", "org_id"),
    Layer.TEAM: ("team_id", "org_id"),
    Layer.ORG: ("org_id",),
    Layer.COMPANY: (),
}
_DEEPER = 4
TABLE = "aeterna.knowledge_item"
ITEM_IDS = ("org_id", "team_id", "project_id")


@dataclass(frozen=True, slots=True)
class Written:
    """The constraints in an item's text, sealed: what makes it a policy once it is accepted."""

    key: str
    mode: Mode
    merge: Merge
    rules: int  # how many
    document: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """An item as it is stored: title and content are sealed.

    Attributes:
        author: Who created it.
        proposer: Who proposed it, "" for a draft.
        number: Of the change that made this version.
        supersedes: The items that it replaces once accepted; known under the tenant's lock only.
        needs_approval: Whether nothing but an approved request puts it in force; likewise.
        approved: The request that was approved for this version; likewise.
        constraints: What its text says, in the step that puts it in force.
    """

    id: UUID
    kind: Kind
    layer: Layer
    scope: Scope
    status: Status
    author: str
    proposer: str
    version: int
    number: int
    title: bytes
    content: bytes
    created_at: datetime
    updated_at: datetime
    supersedes: frozenset[UUID] = frozenset()
    needs_approval: bool = False
    approved: Approved | None = None
    constraints: Written | None = None

    @property
    def subject(self) -> str:
        """Knowledge is the tenant's own, about nobody."""
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
        """Whatever its status, it is found by meaning."""
        return Indexes.MEANING

    def at(self, number: int) -> Self:
        """The same, as made by the change with this number."""
        return replace(self, number=number)

    def bound(self) -> dict[str, str]:
        """The ids that decide who sees it."""
        return self.scope.restrict(BINDING[self.layer])

    def place(self, tenant: str = "") -> Thing:
        """What decides who may do what to it."""
        return item_place(tenant, self.layer.value, self.scope, self.status.value)

    def payload(self) -> dict[str, str]:
        """What the vector index filters by."""
        return {
            "kind": self.kind.value,
            "layer": self.layer.value,
            "status": self.status.value,
            **self.bound(),
        }


@dataclass(frozen=True, slots=True)
class Item:
    """An item as a caller sees it."""

    stored: Stored
    title: str
    content: str


@dataclass(frozen=True, slots=True)
class View:
    """What a search may show; `kinds` is empty for all of them, `sight` is what the caller may see
    at all, `consent` whose items may be shown, by their authors; None: everybody's."""

    scope: Scope
    statuses: Collection[Status]
    kinds: Collection[Kind] = ()
    sight: Sight = EVERYTHING
    consent: Retrievable | None = None

    def shows(self, item: Stored) -> bool:
        """Whether the item is of these kinds and statuses and not bound to something else."""
        return (
            item.status in self.statuses
            and (not self.kinds or item.kind in self.kinds)
            and self.scope.admits(item.bound())
            and self.sight.shows(item.place())
            and (self.consent is None or self.consent.shows(item.author))
        )

    def deep(self, count: int) -> int:
        """How many the index is asked for where `count` are wanted: it does not know authors."""
        return _DEEPER * count if self.consent else count

    def filter(self) -> dict[str, Condition]:
        """The same for the vector index."""
        statuses = {"status": tuple(status.value for status in self.statuses)}
        kinds = {"kind": tuple(kind.value for kind in self.kinds)} if self.kinds else {}
        seen = restricting(self.sight)
        rows = {"rows": Rows(TABLE, tuple(seen))} if seen else {}
        return {**statuses, **kinds, **self.scope.filter(), **rows}


def check_scope(layer: Layer, scope: Scope, field: str) -> None:
    """Raises InvalidRequest for a scope, at path `field`, that the layer needs more of, or that
    ties the item to a person, a session or an agent."""
    scope.demand(BINDING[layer][:1], layer, field)
    private = scope.restrict(tuple(name for name in SCOPE_IDS if name not in ITEM_IDS))
    if private:
        raise InvalidRequest(
            [FieldViolation(f"{field}.{name}", "must be empty for knowledge") for name in private]
        )
