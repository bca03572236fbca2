"""What something is done to, as policies see it, and what of it a caller sees. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from libs.scope import Scope

TENANT, MEMORY, KNOWLEDGE_ITEM = "Tenant", "Memory", "KnowledgeItem"
ROLE_BINDING = "RoleBinding"
PERSONAL = frozenset({"agent", "user", "session"})  # layers that belong to one person


@dataclass(frozen=True, slots=True)
class Thing:
    """What something is done to: its place, not its identity, so that equal places are decided
    once. Ids are "" where it is not tied to one.

    `unknown`: attributes that whoever asks cannot tell.
    """

    kind: str
    tenant: str
    layer: str = ""
    org: str = ""
    team: str = ""
    project: str = ""
    session: str = ""
    user: str = ""
    agent: str = ""
    status: str = ""
    unknown: frozenset[str] = frozenset()

    @property
    def personal(self) -> bool:
        """Whether it belongs to one person."""
        return self.layer in PERSONAL

    @property
    def name(self) -> str:
        """The id of the entity: tenants alone can be told apart by it."""
        return self.tenant if self.kind == TENANT else ""

    @property
    def role(self) -> str:
        """Of a role binding: which role it gives."""
        return self.status

    def attributes(self) -> dict[str, str | bool]:
        """What policies may read."""
        values: dict[str, str | bool] = {
            name: getattr(self, name) for name in ATTRIBUTES[self.kind]
        }
        return {name: value for name, value in values.items() if name not in self.unknown}


ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    TENANT: ("tenant",),
    MEMORY: (
        *("tenant", "layer", "org", "team", "project", "session", "user", "agent"),
        *("personal", "status"),
    ),
    KNOWLEDGE_ITEM: ("tenant", "layer", "org", "team", "project", "status"),
    ROLE_BINDING: ("tenant", "org", "team", "project", "user", "role"),
}
PLACE = tuple(each.name for each in fields(Thing) if each.name not in ("kind", "tenant", "unknown"))


def item_place(tenant: str, layer: str, scope: Scope, status: str) -> Thing:
    """Of a knowledge item, there or to be."""
    return Thing(
        KNOWLEDGE_ITEM,
        tenant,
        layer=layer,
        org=scope.org_id,
        team=scope.team_id,
        project=scope.project_id,
        status=status,
    )


OWNER = "owner"  # the person that a thing belongs to: its user in personal layers, else ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller sees.

    Attributes:
        owner: Whose personal things, beside what is nobody's; None for everybody's.
        attributes: Of things, by which `places` tells those that are seen; none of them for all.
    """

    owner: str | None = None
    attributes: tuple[str, ...] = ()
    places: frozenset[tuple[str, ...]] = frozenset()

    def shows(self, thing: Thing) -> bool:
        """Whether it is seen, as far as its place says."""
        if self.owner is not None and owner_of(thing) not in ("", self.owner):
            return False
        return not self.attributes or values_of(thing, self.attributes) in self.places


EVERYTHING = Sight()


def owner_of(thing: Thing) -> str:
    """The person that a thing belongs to, "" for nobody."""
    return thing.user if thing.personal else ""


def values_of(thing: Thing, attributes: Sequence[str]) -> tuple[str, ...]:
    """What it holds of these attributes, OWNER included."""
    return tuple(owner_of(thing) if each == OWNER else getattr(thing, each) for each in attributes)
