"""The audit trail: the change log that every service appends to, and its signed checkpoints."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from libs.aip.filtering import Comparison, to_sql
from libs.changes import Asked, Change, Command, Operation
from libs.errors import AppError
from libs.postgres import StoreUnavailable, lend, store_errors
from libs.signing import Signed
from libs.signing.store import public_keys
from libs.spine import read, writing
from libs.spine.changes import COLUMNS, LoggedChange, changes_since, from_row, genesis
from libs.spine.group import GroupCommit
from libs.spine.requests import Answers, forget
from libs.tenancy import Route, TenantId
from libs.wakeups import Wakeups
from services.governance.audit.domain import Event
from services.governance.audit.ports import Checkpoint, Ends
from services.governance.store.governing import GoverningShards

log = structlog.get_logger(__name__)

_PAGE = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND number > $2{{where}} ORDER BY number LIMIT $3
"""
_HEAD = "SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1"
_ENDS = """
    SELECT f.number AS floor, f.hash AS floor_hash,
        coalesce((SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1), 0) AS given,
        coalesce((SELECT max(number) FROM aeterna.change WHERE tenant_id = $1), 0) AS newest
    FROM (SELECT 1) AS one LEFT JOIN aeterna.change_floor AS f ON f.tenant_id = $1
"""
_LENGTHS = "SELECT tenant_id, seq FROM aeterna.log_lengths()"
_ADD = """
    INSERT INTO control.audit_checkpoint (tenant_id, number, hash, statement, key_id, signature)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_CHECKPOINTS = """
    SELECT number, hash, created_at, statement, key_id, signature FROM control.audit_checkpoint
    WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""
_NEWEST = """
    SELECT t.id AS tenant_id, c.number, c.created_at
    FROM control.tenant AS t CROSS JOIN LATERAL (
        SELECT number, created_at FROM control.audit_checkpoint
        WHERE tenant_id = t.id ORDER BY number DESC LIMIT 1
    ) AS c
"""
_PRUNE = "SELECT aeterna.prune_changes($1)"
_PAGE_SIZE = 1000


class PostgresTrail:
    """`Trail` in PostgreSQL; events that arrive together share a transaction."""

    def __init__(self, wakeups: Wakeups, shards: GoverningShards) -> None:
        self._wakeups, self._shards = wakeups, shards
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

    async def since(self, route: Route, number: int) -> AsyncIterator[Sequence[LoggedChange]]:
        while True:
            entries, _ = await changes_since(route, number, _PAGE_SIZE)
            if not entries:
                return
            yield entries
            number = entries[-1].number

    async def ends(self, route: Route) -> Ends:
        ((floor, digest, given, newest),) = await read(route, _ENDS)
        if floor is None:
            return Ends(0, genesis(route), given, newest)
        return Ends(floor, digest, given, newest)

    async def prune(self, route: Route, until: int) -> None:
        async with writing(await self._shards.route(route)) as write:
            await write.conn.execute(_PRUNE, until)

    async def pruned(self, route: Route, asked: Asked, until: int) -> int:
        async with writing(await self._shards.route(route)) as write:
            answers = await Answers.load(write, [asked.request])
            before = answers.get(asked.request)
            if before is not None:
                return int(before["floor"])
            await write.append([_pruning(asked, until)])
            floor: int = await write.conn.fetchval(_PRUNE, until)
            answers.add(asked.request, {"floor": floor})
            answers.save(write)
        self._wakeups.publish(route.tenant)
        return floor

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

    async def lengths(self) -> Mapping[TenantId, int]:
        found: dict[TenantId, int] = {}
        for pool in await self._shards.all():
            try:
                found |= await _lengths(pool)
            except StoreUnavailable as error:  # the trails of the other shards grow
                log.warning("audit.shard_not_looked_at", error=error.reason)
        return found


@dataclass(frozen=True)
class PostgresCheckpoints:
    """`Checkpoints`; the pool is of the role of governance."""

    control: asyncpg.Pool

    async def add(self, tenant: TenantId, number: int, digest: bytes, signed: Signed) -> None:
        statement = signed.statement.decode()
        with store_errors():
            async with lend(self.control) as conn:
                await conn.execute(
                    _ADD, tenant, number, digest, statement, signed.key_id, signed.signature
                )

    async def all(self, tenant: TenantId) -> Sequence[Checkpoint]:
        return await self.page(tenant, 0, None)

    async def page(self, tenant: TenantId, since: int, limit: int | None) -> Sequence[Checkpoint]:
        with store_errors():
            async with lend(self.control) as conn:
                rows = await conn.fetch(_CHECKPOINTS, tenant, since, limit)
        return [_checkpoint(row) for row in rows]

    async def newest(self) -> Mapping[TenantId, tuple[int, datetime]]:
        with store_errors():
            async with lend(self.control) as conn:
                rows = await conn.fetch(_NEWEST)
        return {TenantId(row["tenant_id"]): (row["number"], row["created_at"]) for row in rows}

    async def keys(self) -> Mapping[str, bytes]:
        return await public_keys(self.control)


def _checkpoint(row: asyncpg.Record) -> Checkpoint:
    signed = Signed(row["statement"].encode(), row["key_id"], row["signature"])
    return Checkpoint(row["number"], row["hash"], row["created_at"], signed)


def _pruning(asked: Asked, until: int) -> Change:
    return Change(
        resource="",
        operation=Operation.RECORDED,
        origin=asked.origin,
        event="audit.pruned",
        details={"until": str(until)},
    )


async def _lengths(pool: asyncpg.Pool) -> dict[TenantId, int]:
    with store_errors():
        async with lend(pool) as conn:
            rows = await conn.fetch(_LENGTHS)
    return {TenantId(row["tenant_id"]): row["seq"] for row in rows}


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
