"""What the governance service refuses, and why."""

from libs.errors import AppError, Kind


class TenantAlreadyExists(AppError):
    """The id is taken."""

    kind, reason = Kind.ALREADY_EXISTS, "TENANT_ALREADY_EXISTS"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"Tenant {tenant} exists already.", tenant=tenant)


class ShardNotFound(AppError):
    """A tenant was to be placed on a shard that is not registered."""

    kind, reason = Kind.NOT_FOUND, "SHARD_NOT_FOUND"

    def __init__(self, shard: str) -> None:
        super().__init__(f"Shard {shard} does not exist.", shard=shard)


class ShardOccupied(AppError):
    """A dedicated shard has its tenant already."""

    kind, reason = Kind.PRECONDITION, "SHARD_OCCUPIED"

    def __init__(self, shard: str) -> None:
        super().__init__(f"Shard {shard} is dedicated to another tenant.", shard=shard)


class NoSharedShard(AppError):
    """No shard was named, and there is none that tenants share."""

    kind, reason = Kind.PRECONDITION, "NO_SHARED_SHARD"

    def __init__(self) -> None:
        super().__init__("Register a shared shard first, or name a shard.")
