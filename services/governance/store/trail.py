"""The audit trail: the change log that every service appends to."""

from collections.abc import Sequence

from libs.aip.filtering import Comparison, to_sql
from libs.changes import Asked, Change, Command, Operation
from libs.errors import AppError
from libs.spine import read, writing
from libs.spine.changes import COLUMNS, LoggedChange, changes_since, from_row
from libs.spine.group import GroupCommit
from libs.spine.requests import Answers, forget
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.domain.trail import Event

_PAGE = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND number > $2{{where}} ORDER BY number LIMIT $3
"""
_HEAD = "SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1"
_ENDS = """
    SELECT coalesce((SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1), 0),
        coalesce((SELECT max(number) FROM aeterna.change WHERE tenant_id = $1), 0)
"""


class PostgresTrail:
    """`Trail` in PostgreSQL; events that arrive together share a transaction."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._group = GroupCommit[Command[Event], int](self._append)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._group.close()

    async def record(self, route: Route, asked: Asked, event: Event) -> LoggedChange:
        number = await self._group.submit(route, Command(asked.origin, asked.request, event))
        (entry,), _ = await changes_since(route, number - 1, 1)
        return entry

    async def page(
        self, route: Route, where: Sequence[Comparison], since: int, limit: int
    ) -> Sequence[LoggedChange]:
        conditions, values = to_sql(where, 4)
        rows = await read(route, _PAGE.format(where=conditions), since, limit, *values)
        return [from_row(row) for row in rows]

    async def ends(self, route: Route) -> tuple[int, int]:
        ((given, newest),) = await read(route, _ENDS)
        return given, newest

    async def _append(
        self, route: Route, commands: Sequence[Command[Event]]
    ) -> Sequence[int | AppError]:
        fresh: list[Change] = []
        async with writing(route) as write:
            answers = await Answers.load(write, [command.request for command in commands])
            head: int = await write.conn.fetchval(_HEAD, route.tenant)
            outcomes = [_attempt(answers, head, fresh, command) for command in commands]
            if fresh:
                forget(write, await write.append(fresh), len(fresh))
            answers.save(write)
        self._wakeups.publish(route.tenant)
        return outcomes


def _attempt(
    answers: Answers, head: int, fresh: list[Change], command: Command[Event]
) -> int | AppError:
    """The number of the command's entry: the one it got before, or the next after `fresh`."""
    try:
        before = answers.get(command.request)
    except AppError as error:
        return error
    if before is not None:
        return int(before["number"])
    fresh.append(_change(command))
    number = head + len(fresh)
    answers.add(command.request, {"number": number})
    return number


def _change(command: Command[Event]) -> Change:
    event = command.body
    return Change(
        resource=event.resource,
        operation=Operation.RECORDED,
        origin=command.origin,
        subject=event.subject,
        event=event.name,
    )
