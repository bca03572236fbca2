"""Operations in the shard's PostgreSQL: what clients do with them, and what workers do.

Whoever changes one holds the tenant's lock, so that no two workers can take the same one. A worker
holds it by a lease: `due_at` is when another may take it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from libs import changes
from libs.aip.filtering import Comparison, to_sql
from libs.changes import Asked, Change, Origin
from libs.operations import (
    COLLECTION,
    Fields,
    LeaseLost,
    Operation,
    OperationCancelled,
    OperationId,
    OperationNotFound,
    OperationUnderWay,
    Progress,
    State,
)
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups

_KEPT_FOR = timedelta(days=30)  # after the end, for clients to look at

_COLUMNS = """
    id, kind, parameters, actor, trace_id, state, progress, cancel_requested, failures, error,
    created_at, started_at, updated_at, ended_at
"""
_GET = f"SELECT {_COLUMNS} FROM aeterna.operation WHERE tenant_id = $1 AND id = $2"
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.operation
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_OPEN = "SELECT id FROM aeterna.operation WHERE tenant_id = $1 AND kind = $2 AND due_at IS NOT NULL"
_FORGET = """
    DELETE FROM aeterna.operation WHERE tenant_id = $1 AND ended_at < now() - $2::interval
"""
_ADD = """
    INSERT INTO aeterna.operation (tenant_id, id, kind, parameters, actor, trace_id)
    VALUES ($1, $2, $3, $4::jsonb, $5, $6)
"""
_CANCEL = """
    UPDATE aeterna.operation SET cancel_requested = true, updated_at = clock_timestamp(),
        due_at = CASE WHEN holder IS NULL THEN now() ELSE due_at END
    WHERE tenant_id = $1 AND id = $2
"""
_DELETE = "DELETE FROM aeterna.operation WHERE tenant_id = $1 AND id = $2"
_CLAIM = f"""
    UPDATE aeterna.operation SET state = 'running', holder = $3, due_at = now() + $4::interval,
        started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = (
        SELECT id FROM aeterna.operation
        WHERE tenant_id = $1 AND kind = ANY($2::text[]) AND due_at <= now() ORDER BY id LIMIT 1)
    RETURNING {_COLUMNS}
"""
_HELD = """
    UPDATE aeterna.operation SET {changes}, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2 AND holder = $3 RETURNING cancel_requested
"""
_RENEW = _HELD.format(changes="due_at = now() + $4::interval")
_ADVANCE = _HELD.format(changes="due_at = now() + $4::interval, progress = $5::jsonb, failures = 0")
_RETRY = _HELD.format(
    changes="""state = 'pending', holder = NULL, due_at = now() + $4::interval,
        failures = failures + $5::int"""
)
_END = _HELD.format(
    changes="""state = $4, error = $5::jsonb, progress = $6::jsonb, holder = NULL, due_at = NULL,
        ended_at = clock_timestamp()"""
)


@dataclass(frozen=True, slots=True)
class Claim:
    """An operation that a worker has taken, as it was then."""

    route: Route
    holder: UUID
    operation: Operation


@dataclass(frozen=True)
class Operations:
    """Operations of tenants. Every method raises StoreUnavailable when the shard cannot be
    reached, every one that writes also TenantMoved and TenantSuspended.

    `lease` is how long a worker has an operation without giving a sign of life.
    """

    wakeups: Wakeups
    new_id: Callable[[], UUID]
    lease: timedelta = timedelta(seconds=15)

    async def begin(self, route: Route, asked: Asked, kind: str, parameters: Fields) -> Operation:
        """A new operation, which a worker will take soon; a repeat of the request gets the one
        that it began, as it is now.

        Raises:
            OperationUnderWay: The tenant has one of this kind.
            RequestIdReused, OperationNotFound: The repeat is none; what it began was deleted.
        """
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                operation = await self.add(write, asked.origin, kind, parameters)
                answers.add(asked.request, {"operation": str(operation)})
                answers.save(write)
            else:
                operation = OperationId(UUID(answer["operation"]))
        self.wakeups.publish(route.tenant)
        return await self.get(route, operation)

    async def add(self, write: Write, origin: Origin, kind: str, parameters: Fields) -> OperationId:
        """A new operation as part of a write, after which the tenant's watchers are to be woken.

        Raises:
            OperationUnderWay: As above.
        """
        tenant = write.route.tenant
        if under_way := await write.conn.fetchval(_OPEN, tenant, kind):
            raise OperationUnderWay(under_way)
        operation = OperationId(self.new_id())
        await write.append([_change(operation, changes.Operation.CREATED, origin)])
        await write.conn.execute(_FORGET, tenant, _KEPT_FOR)
        text = json.dumps(dict(parameters))
        await write.conn.execute(_ADD, tenant, operation, kind, text, origin.actor, origin.trace_id)
        return operation

    async def get(self, route: Route, operation: OperationId) -> Operation:
        """One operation; raises OperationNotFound."""
        return _one(await read(route, _GET, operation), operation)

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Operation]:
        """Newest first, those older than `before`, at most `limit`."""
        conditions, values = to_sql(where, 4)
        rows = await read(route, _PAGE.format(where=conditions), before, limit, *values)
        return [_operation(row) for row in rows]

    async def cancel(self, route: Route, origin: Origin, operation: OperationId) -> None:
        """Asks it to stop; one that has ended stays as it is. Raises OperationNotFound."""
        async with writing(route) as write:
            current = await _load(write, operation)
            if current.state.final or current.cancel_requested:
                return
            await write.append([_change(operation, changes.Operation.UPDATED, origin)])
            write.add(_CANCEL, operation)
        self.wakeups.publish(route.tenant)

    async def delete(self, route: Route, origin: Origin, operation: OperationId) -> None:
        """Forgets one that has ended.

        Raises:
            OperationNotFound, OperationUnderWay: As they say.
        """
        async with writing(route) as write:
            current = await _load(write, operation)
            if not current.state.final:
                raise OperationUnderWay(operation)
            await write.append([_change(operation, changes.Operation.DELETED, origin)])
            write.add(_DELETE, operation)
        self.wakeups.publish(route.tenant)

    async def claim(self, route: Route, kinds: Sequence[str]) -> Claim | None:
        """The oldest operation of the tenant that is due, taken by the caller; None: there is
        none."""
        holder = uuid4()
        async with writing(route, durable=False) as write:
            row = await write.conn.fetchrow(_CLAIM, route.tenant, kinds, holder, self.lease)
        return Claim(route, holder, _operation(row)) if row else None

    async def renew(self, claim: Claim) -> None:
        """A sign of life; raises LeaseLost, and OperationCancelled if that was asked for."""
        await self._held(claim, _RENEW, self.lease)

    async def advance(self, claim: Claim, progress: Progress) -> None:
        """Writes down what was done; raises the same."""
        await self._held(claim, _ADVANCE, self.lease, _json(progress))

    async def put_back(self, claim: Claim, pause: timedelta, *, failed: bool) -> None:
        """Lets any worker have it after a pause; raises LeaseLost."""
        await self._held(claim, _RETRY, pause, int(failed), stoppable=False)

    async def end(
        self, claim: Claim, state: State, progress: Progress, error: Fields | None = None
    ) -> None:
        """Writes down how it ended; raises LeaseLost."""
        operation = claim.operation
        origin = Origin(operation.actor, operation.trace_id)
        text = json.dumps(error) if error else None
        values = (claim.route.tenant, operation.id, claim.holder, state.value)
        async with writing(claim.route) as write:
            if await write.conn.fetchrow(_END, *values, text, _json(progress)) is None:
                raise LeaseLost
            await write.append([_change(operation.id, changes.Operation.UPDATED, origin)])
        self.wakeups.publish(claim.route.tenant)

    async def _held(self, claim: Claim, sql: str, *values: object, stoppable: bool = True) -> None:
        """Changes what the worker still has. A crash may undo it: then some work is repeated."""
        held = (claim.route.tenant, claim.operation.id, claim.holder)
        async with writing(claim.route, durable=False) as write:
            row = await write.conn.fetchrow(sql, *held, *values)
        if row is None:
            raise LeaseLost
        if row["cancel_requested"] and stoppable:
            raise OperationCancelled


async def _load(write: Write, operation: OperationId) -> Operation:
    return _one(await write.conn.fetch(_GET, write.route.tenant, operation), operation)


def _one(rows: Sequence[asyncpg.Record], operation: OperationId) -> Operation:
    if not rows:
        raise OperationNotFound(operation)
    return _operation(rows[0])


def _operation(row: asyncpg.Record) -> Operation:
    values: dict[str, Any] = dict(row)
    values["state"] = State(values["state"])
    values["parameters"] = json.loads(values["parameters"])
    values["progress"] = Progress(**json.loads(values["progress"]))
    values["error"] = json.loads(values["error"]) if values["error"] else None
    return Operation(**values)


def _json(progress: Progress) -> str:
    return json.dumps(asdict(progress))


def _change(operation: OperationId, did: changes.Operation, origin: Origin) -> Change:
    return Change(f"{COLLECTION}/{operation}", did, origin)
