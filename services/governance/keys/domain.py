"""Keys as administrators see them. No key material is in here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TenantKey:
    """One version of a tenant's key; `subject_keys` is how many it wraps."""

    version: int
    kms_key_id: str
    subject_keys: int
    primary: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """One version of a subject's key; `uses` is how many encryptions were reserved of it."""

    id: UUID
    subject: str
    version: int
    tenant_key_version: int
    uses: int
    primary: bool
    created_at: datetime
