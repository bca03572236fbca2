"""The change log in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.spine.changes import LoggedChange, changes_since
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory
from services.sync.errors import ChangesMissing, NumberNotReached


@dataclass(frozen=True)
class PostgresChangeLog:
    """`ChangeLog`; asks for the way to the tenant each time, since it may move or be suspended."""

    directory: Directory

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        route = await self.directory.route(tenant)
        changes, head = await changes_since(route, number, limit)
        if number > head:
            raise NumberNotReached(number, head)
        for expected, change in enumerate(changes, start=number + 1):
            if change.number != expected:
                raise ChangesMissing(expected - 1)
        if limit and head > number and not changes:
            raise ChangesMissing(number)
        # Rows may have been added between the two statements of the reading transaction.
        return changes, max(head, number + len(changes))
