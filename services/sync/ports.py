"""What the operations need from the outside."""

from collections.abc import Sequence
from typing import Protocol

from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId


class ChangeLog(Protocol):
    """The change logs of all tenants, wherever each one lives at the moment."""

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        """The changes numbered `number` + 1 and on, without gaps, at most `limit`; and the newest
        number there is.

        Raises:
            NumberNotReached, ChangesMissing, ChangesPruned: The log is not what the number says.
            TenantNotFound, TenantSuspended: As they say, even if it was different a moment ago.
            StoreUnavailable: The shard cannot be reached.
        """
