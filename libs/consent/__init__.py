"""What people allow to be done with what is known of them: what every service has to heed. Pure.

`known` keeps it beside each service; governance writes it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from libs.errors import AppError, Kind

PURPOSES = ("memory", "retrieval", "analytics", "training")  # of a tenant that names none
_MOST_NAMED = 500  # people that a filter of an index may name


class ConsentMissing(AppError):
    """Nothing is stored about a person who does not allow what the tenant needs for it."""

    kind, reason = Kind.PRECONDITION, "CONSENT_MISSING"

    def __init__(self, purposes: Iterable[str]) -> None:
        names = ", ".join(sorted(purposes))
        super().__init__(f"A person that this is about does not allow: {names}.", purposes=names)


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """What a tenant asks consent for, in one of its versions; the first is the default."""

    purposes: Sequence[str] = PURPOSES
    required_to_store: Sequence[str] = ()
    required_to_retrieve: Sequence[str] = ()
    knowledge_authors: bool = False  # whether knowledge is about its author
    version: int = 1
    number: int = 0
    updated_at: datetime | None = None


class Grant(NamedTuple):
    """Who allows what."""

    subject: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Consents:
    """All consents of a tenant that were granted, with their ends; None: there is none."""

    policy: ConsentPolicy = field(default_factory=ConsentPolicy)
    granted: Mapping[Grant, datetime | None] = field(default_factory=dict)

    def allows(self, subject: str, purpose: str, at: datetime) -> bool:
        """Whether a purpose is allowed at a time; what is about nobody needs no consent."""
        if not subject:
            return True
        grant = Grant(subject, purpose)
        if grant not in self.granted:
            return False
        ends = self.granted[grant]
        return ends is None or at < ends

    def require_to_store(self, subjects: Collection[str], at: datetime) -> None:
        """Raises ConsentMissing unless all of these people allow what storing needs."""
        missing = {
            purpose
            for purpose in self.policy.required_to_store
            for subject in subjects
            if not self.allows(subject, purpose, at)
        }
        if missing:
            raise ConsentMissing(missing)

    def retrievable(self, at: datetime) -> "Retrievable | None":
        """Whose things searches may show; None: everybody's."""
        if not self.policy.required_to_retrieve:
            return None
        return Retrievable(self, at)


@dataclass(frozen=True, slots=True)
class Retrievable:
    """Whose things may be shown at a time."""

    consents: Consents
    at: datetime

    def shows(self, subject: str) -> bool:
        """Whether what is about this person may be shown."""
        required = self.consents.policy.required_to_retrieve
        return all(self.consents.allows(subject, purpose, self.at) for purpose in required)

    def named(self) -> tuple[str, ...] | None:
        """The people whose things may be shown, and "" for nobody's; None: too many to name."""
        subjects = {grant.subject for grant in self.consents.granted}
        if len(subjects) > _MOST_NAMED:
            return None
        return ("", *sorted(each for each in subjects if self.shows(each)))
