"""The change log in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.errors import AppError
from libs.spine.changes import LoggedChange, changes_since, floor_of
from libs.tenancy import Route, TenantId
from libs.tenancy.directory import Directory
from services.sync.errors import ChangesMissing, ChangesPruned, NumberNotReached


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
        gap = _gap(changes, number, expected=bool(limit) and head > number)
        if gap is not None:
            raise await _missing(route, number, gap, head)
        # Rows may have been added between the two statements of the reading transaction.
        return changes, max(head, number + len(changes))


def _gap(changes: Sequence[LoggedChange], number: int, expected: bool) -> int | None:
    """The number after which a change is missing; `expected` says that there has to be one."""
    if expected and not changes:
        return number
    return next((at for at, each in enumerate(changes, number) if each.number != at + 1), None)


async def _missing(route: Route, number: int, gap: int, head: int) -> AppError:
    """Why changes are missing."""
    floor = await floor_of(route)
    return ChangesPruned(number, floor, head) if number < floor else ChangesMissing(gap)
