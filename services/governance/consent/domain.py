"""Consents as they are listed, and the next version of a policy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from libs.consent import ConsentPolicy
from libs.errors import invalid
from services.governance.consent.errors import PolicyVersionMismatch

NAME = "consentPolicy"  # there is one resource of this kind


@dataclass(frozen=True, slots=True)
class Consent:
    """The last word of a person on a purpose, or one of those before."""

    subject: str
    purpose: str
    granted: bool
    expires_at: datetime | None
    number: int
    updated_at: datetime
    actor: str = ""

    def counts(self, at: datetime) -> bool:
        """Whether it allows the purpose at a time."""
        return self.granted and (self.expires_at is None or at < self.expires_at)


def changed(
    policy: ConsentPolicy, expected: int, values: Mapping[str, Any], now: datetime
) -> ConsentPolicy:
    """The next version, with other `values`; `expected`: 0 for any.

    Raises:
        PolicyVersionMismatch: This is not the version that is expected.
        InvalidRequest: A purpose is required that is none.
    """
    if expected not in (0, policy.version):
        raise PolicyVersionMismatch(expected, policy.version)
    after = replace(policy, **values, version=policy.version + 1, updated_at=now)
    for name in ("required_to_store", "required_to_retrieve"):
        required: Sequence[str] = getattr(after, name)
        if unknown := sorted(set(required) - set(after.purposes)):
            raise invalid(f"consent_policy.{name}", f"not among the purposes: {', '.join(unknown)}")
    return after
