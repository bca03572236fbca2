"""Who a request belongs to and where its data lives: tenants, shards, placements.

Knows nothing of what is stored for a tenant.
"""

import re
from dataclasses import dataclass
from typing import NewType

import asyncpg

from libs.errors import AppError, Kind, invalid

TenantId = NewType("TenantId", str)  # a DNS label
ShardId = NewType("ShardId", str)  # a DNS label

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a tenant's data: what every store needs to read or write for it.

    `epoch` is the placement's: a writer whose epoch is not the shard's own is refused there.
    """

    tenant: TenantId
    shard: ShardId
    epoch: int
    pool: asyncpg.Pool


def parse_label(value: str, field: str) -> str:
    """`value` when it is a DNS label (RFC 1123: 1 to 63 of a-z, 0-9 and inner hyphens).

    Raises:
        InvalidRequest: It is not; `field` is named.
    """
    if not _LABEL.fullmatch(value):
        raise invalid(field, "must be a DNS label: a-z, 0-9, inner hyphens, at most 63 characters")
    return value


def parse_tenant_id(value: str, field: str = "tenant") -> TenantId:
    """`value` as a tenant id; raises InvalidRequest naming `field`."""
    return TenantId(parse_label(value, field))


class TenantNotFound(AppError):
    """No such tenant."""

    kind, reason = Kind.NOT_FOUND, "TENANT_NOT_FOUND"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"Tenant {tenant} does not exist.", tenant=tenant)


class TenantSuspended(AppError):
    """The tenant is suspended: neither reads nor writes are served."""

    kind, reason = Kind.PRECONDITION, "TENANT_SUSPENDED"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"Tenant {tenant} is suspended.", tenant=tenant)


class TenantMoved(AppError):
    """The writer's placement is out of date: retry with the same request id to reach the new
    one."""

    kind, reason = Kind.UNAVAILABLE, "TENANT_MOVED"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"Tenant {tenant} has moved; retry.", tenant=tenant)
