"""A tenant's own policies and their versions: what becomes of them. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel

from services.governance.authorization.errors import (
    EtagMismatch,
    NothingToRollBackTo,
    PolicyVersionNotFound,
    TooMany,
)

COLLECTION = "authorizationPolicies"
MOST = 1_000  # policies of a tenant
MOST_VERSIONS = 1_000  # of a policy
MOST_TEXT = 1 << 20  # characters of all that are active: every service loads them


class PolicyState(StrEnum):
    """What a version is to its policy."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class Version(BaseModel, frozen=True):
    """A version, as it stays; `activated_at`: when it was last activated, not by going back."""

    number: int
    text: str
    description: str
    actor: str
    created_at: datetime
    activated_at: datetime | None = None

    def state(self, active: int | None) -> PolicyState:
        """What it is to its policy, of which `active` is."""
        if self.number == active:
            return PolicyState.ACTIVE
        return PolicyState.RETIRED if self.activated_at else PolicyState.DRAFT


class Policy(BaseModel, frozen=True):
    """A policy without its texts."""

    id: str
    latest_version: int = 1
    active_version: int | None = None
    revision: int = 1
    number: int = 0  # of the change that made it what it is
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Another one whenever anything of it changes."""
        return str(self.revision)

    @property
    def shown_version(self) -> int:
        """The active one, or the newest."""
        return self.active_version or self.latest_version

    def check(self, expected: str) -> None:
        """Raises EtagMismatch unless it has the expected etag, "" for any."""
        if expected not in ("", self.etag):
            raise EtagMismatch(f"{COLLECTION}/{self.id}", self.etag)

    def extended(self, now: datetime) -> Self:
        """With one version more; raises TooMany."""
        if self.latest_version >= MOST_VERSIONS:
            raise TooMany("versions of a policy", MOST_VERSIONS)
        return self._changed({"latest_version": self.latest_version + 1}, now)

    def activated(self, version: int | None, now: datetime) -> Self:
        """With this version active, or none; raises PolicyVersionNotFound."""
        if version is not None and not 1 <= version <= self.latest_version:
            raise PolicyVersionNotFound(self.id, version)
        return self._changed({"active_version": version}, now)

    def _changed(self, values: dict[str, int | None], now: datetime) -> Self:
        following = {"revision": self.revision + 1, "updated_at": now}
        return self.model_copy(update=values | following)


def before(policy: Policy, activations: Iterable[tuple[int, datetime]]) -> int:
    """The version that was active before the one that is, or last if none is.

    Args:
        activations: Versions that were ever activated, and when.

    Raises:
        NothingToRollBackTo: There was none.
    """
    moments = dict(activations)
    current = moments.get(policy.active_version or 0)
    earlier = {
        version: at
        for version, at in moments.items()
        if version != policy.active_version and (current is None or at < current)
    }
    if not earlier:
        raise NothingToRollBackTo(policy.id)
    return max(earlier, key=lambda version: earlier[version])
