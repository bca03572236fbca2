"""Tenants as the platform sees them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Whether a tenant may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Draft:
    """A tenant to create; `shard` is "" for any."""

    id: str
    display_name: str
    shard: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and where it lives; `epoch` grows with every move."""

    id: str
    display_name: str
    state: State
    shard: str
    epoch: int
    created_at: datetime
    updated_at: datetime
