"""Roles inside scopes, and who may give them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from libs.auth.roles import Role
from services.governance.authorization.errors import OwnSuspension, RoleAboveOwn

COLLECTION = "roleBindings"
USERS = "users"  # first part of what the log calls them by
MOST = 10_000  # bindings of a tenant: every service loads them all
# Weakest first.
ORDER = (
    Role.VIEWER,
    Role.DEVELOPER,
    Role.TECH_LEAD,
    Role.ARCHITECT,
    Role.ADMIN,
    Role.TENANT_ADMIN,
    Role.PLATFORM_ADMIN,
)
ADMINISTRATORS = frozenset({Role.ADMIN, Role.TENANT_ADMIN, Role.PLATFORM_ADMIN})
_RANK = {role: place for place, role in enumerate(ORDER)}


class Place(BaseModel, frozen=True):
    """A scope; "" for an id: all of them."""

    org_id: str = ""
    team_id: str = ""
    project_id: str = ""

    def covers(self, other: "Place") -> bool:
        """Whether what holds here holds there."""
        pairs = zip(self.ids(), other.ids(), strict=True)
        return all(own in ("", theirs) for own, theirs in pairs)

    def ids(self) -> tuple[str, str, str]:
        """The ids, widest first."""
        return self.org_id, self.team_id, self.project_id


class RoleBinding(BaseModel, frozen=True):
    """A role of a user in a place, as it is stored."""

    id: UUID
    user: str
    role: Role
    place: Place
    expires_at: datetime | None
    actor: str
    number: int
    created_at: datetime


class SuspendedUser(BaseModel, frozen=True):
    """A user who may do nothing."""

    user: str
    actor: str
    number: int
    suspended_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Who changes the rules: himself, or through an agent.

    Attributes:
        roles: Those of his token, which hold in the whole tenant.
        agents: Who acts for him, and who passed the task on, latest first.
        capabilities: What they may do, all of them together.
        max_depth: How many of them may stand one behind the other.
    """

    user: str
    roles: frozenset[Role]
    agents: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    max_depth: int = 0

    def roles_in(self, place: Place, held: Iterable[tuple[Role, Place]]) -> frozenset[Role]:
        """His roles there, with those that he holds in places."""
        return self.roles | {role for role, where in held if where.covers(place)}


def check_grant(role: Role, own: Iterable[Role]) -> None:
    """Raises RoleAboveOwn if the role is above each of one's own."""
    if _RANK[role] > max((_RANK.get(each, -1) for each in own), default=-1):
        raise RoleAboveOwn(role)


def check_suspension(
    person: Person, own: Iterable[Role], user: str, theirs: Iterable[Role]
) -> None:
    """Whether a person with his `own` roles may suspend a user with the roles `theirs`.

    Raises:
        OwnSuspension, RoleAboveOwn: As they say.
    """
    if person.user == user:
        raise OwnSuspension
    roles = frozenset(own)
    for role in theirs:
        check_grant(role, roles)
