"""The one way to a tenant's data: `reading` and `writing` transactions, and the change log of
writes.

A write holds the tenant's row lock from `writing` to commit, so keep it short: embed, encrypt and
call others before it begins. Knows nothing of what services store.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from uuid import UUID

import asyncpg

from libs.changes import Change
from libs.errors import AppError, Kind
from libs.postgres import Connection, StoreUnavailable, lend, roll_back, store_errors
from libs.tenancy import Route, TenantMoved, TenantNotFound, TenantSuspended


class KeyChangedMeanwhile(AppError):
    """A value was sealed with a key that was destroyed before it could be stored: seal it anew."""

    kind, reason = Kind.UNAVAILABLE, "KEY_CHANGED_MEANWHILE"

    def __init__(self, tenant: str) -> None:
        super().__init__("An encryption key was destroyed meanwhile; retry.", tenant=tenant)


class SubjectErased(AppError):
    """A write about a person who was erased, or in that person's name."""

    kind, reason = Kind.PRECONDITION, "SUBJECT_ERASED"

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"A person that this is about, or in whose name it is, was erased from {tenant}.",
            tenant=tenant,
        )


_Refusal = TenantNotFound | TenantMoved | TenantSuspended | KeyChangedMeanwhile | SubjectErased
_REFUSALS: dict[str, type[_Refusal]] = {
    "AE001": TenantNotFound,
    "AE002": TenantMoved,
    "AE003": TenantSuspended,
    "AE005": KeyChangedMeanwhile,
    "AE006": SubjectErased,
}
_NO_SETTINGS: Mapping[str, str] = {}
_REPLAN_SELDOM = "SET LOCAL plan_cache_mode = auto"  # a write goes by keys, whatever the tenant
_APPEND = "SELECT aeterna.append_changes($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_ENTERED = """
    SELECT found.* FROM aeterna.enter($1, '{{{settings}}}') AS entered (tenant), LATERAL (
        SELECT * FROM ({sql}) AS asked WHERE entered.tenant = $1 OFFSET 0
    ) AS found
"""
_PARAMETER = re.compile(r"\$(\d+)")
_QUEUE = """
    INSERT INTO aeterna.projection_queue (tenant_id, number, collection, entity_id)
    SELECT $1, q.number, $2, q.id FROM unnest($3::bigint[], $4::uuid[]) AS q (number, id)
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Write:
    """An open transaction that holds the tenant's lock."""

    route: Route
    conn: Connection
    _added: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)

    async def append(self, changes: Sequence[Change]) -> int:
        """Adds changes to the log; the number of the first, the rest follow without gaps."""
        first: int = await self.conn.fetchval(
            _APPEND,
            [change.resource for change in changes],
            [change.operation.value for change in changes],
            [change.origin.actor for change in changes],
            [change.subject for change in changes],
            [change.layer for change in changes],
            [change.origin.trace_id for change in changes],
            [change.origin.request_id for change in changes],
            [change.event for change in changes],
            _details(changes),
        )
        return first

    def add(self, sql: str, *values: object) -> None:
        """Changes rows at the end of the write, in one round trip with what else is added.

        Statements that are added know nothing of each other: all see the rows as they were before,
        and no row may be changed by two of them.

        Args:
            sql: One INSERT, UPDATE or DELETE; $1 is the tenant, `values` follow from $2 on. A list
                that is given to several statements, all of which take it as the same type, is
                sent once.
        """
        self._added.append((sql, values))

    async def flush(self) -> None:
        """Carries out now what was added."""
        if self._added:
            values: list[object] = [self.route.tenant]
            lists: dict[int, int] = {}
            parts = [(sql, _numbered(given, values, lists)) for sql, given in self._added]
            self._added.clear()
            await self.conn.execute(_together(tuple(parts)), *values)

    def queue_projection(self, collection: str, work: Sequence[tuple[int, UUID]]) -> None:
        """Notes that these (change number, entity) pairs must reach the vector index."""
        self.add(_QUEUE, collection, [number for number, _ in work], [entity for _, entity in work])


def _details(changes: Sequence[Change]) -> list[str | None] | None:
    """The details of each as JSON; None where none has any, as is usual."""
    if not any(change.details for change in changes):
        return None
    return [json.dumps(dict(change.details)) if change.details else None for change in changes]


def _numbered(
    given: Sequence[object], values: list[object], lists: dict[int, int]
) -> tuple[int, ...]:
    """The parameters of a statement among the `values` of all, which grow by what is new."""
    numbers = []
    for value in given:
        number = lists.get(id(value)) if isinstance(value, list) else None
        if number is None:
            values.append(value)
            number = len(values)
        if isinstance(value, list):
            lists[id(value)] = number
        numbers.append(number)
    return tuple(numbers)


@lru_cache(maxsize=256)
def _together(parts: tuple[tuple[str, tuple[int, ...]], ...]) -> str:
    """One statement of several, each given with what becomes of its parameters from $2 on."""
    *first, last = (
        _PARAMETER.sub(partial(_renumbered, (1, *numbers)), sql) for sql, numbers in parts
    )
    together = ", ".join(f"part_{place} AS ({sql})" for place, sql in enumerate(first))
    return f"WITH {together} {last}" if first else last


def _renumbered(numbers: Sequence[int], parameter: re.Match[str]) -> str:
    return f"${numbers[int(parameter[1]) - 1]}"


async def read(
    route: Route, sql: str, *values: object, settings: Mapping[str, str] = _NO_SETTINGS
) -> list[asyncpg.Record]:
    """The rows of one SELECT that sees this tenant's rows and no others, in one round trip.

    `aeterna.enter` names the tenant first: a lateral subquery behind the fence of OFFSET is run
    once for each row of what it refers to. Were it run earlier, it would see nothing.

    Args:
        sql: Constant SQL; $1 is the tenant, `values` follow from $2 on.
        settings: Of PostgreSQL, while it runs (it is planned before); our own constants.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    pairs = ",".join(f"{name},{value}" for name, value in settings.items())
    statement = _ENTERED.format(settings=pairs, sql=sql)
    with store_errors():
        async with lend(route.pool) as conn:
            rows: list[asyncpg.Record] = await conn.fetch(statement, route.tenant, *values)
    return rows


@asynccontextmanager
async def reading(route: Route) -> AsyncIterator[Connection]:
    """A read-only transaction that sees this tenant's rows and no others; `read` for one statement.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    begin = f"BEGIN READ ONLY; SELECT set_config('aeterna.tenant', '{route.tenant}', true)"
    async with _transaction(route, begin) as conn:
        yield conn


@asynccontextmanager
async def writing(route: Route, *, durable: bool = True) -> AsyncIterator[Write]:
    """A transaction that holds the tenant's lock; commits when the block ends well.

    Args:
        durable: False for what can be derived again (projections): the commit does not wait for
            the disk.

    Raises:
        TenantMoved: The route's epoch is not the shard's.
        TenantSuspended, TenantNotFound, KeyChangedMeanwhile, SubjectErased: As they say.
        StoreUnavailable: The shard cannot be reached; the outcome of a commit may be unknown.
    """
    begin = (
        f"BEGIN; {_REPLAN_SELDOM}; SELECT aeterna.begin_write('{route.tenant}', {route.epoch:d})"
    )
    if not durable:
        begin += "; SET LOCAL synchronous_commit = off"
    async with _transaction(route, begin) as conn:
        write = Write(route, conn)
        yield write
        await write.flush()


@asynccontextmanager
async def administering(route: Route) -> AsyncIterator[Write]:
    """A transaction that may change the tenant's own row, with the role of governance.

    Whoever writes anything else in it calls aeterna.begin_write first.

    Raises:
        TenantMoved, TenantSuspended, TenantNotFound: begin_write refused.
        StoreUnavailable: The shard cannot be reached; the outcome of a commit may be unknown.
    """
    begin = f"BEGIN; SELECT set_config('aeterna.tenant', '{route.tenant}', true)"
    async with _transaction(route, begin) as conn:
        write = Write(route, conn)
        yield write
        await write.flush()


@asynccontextmanager
async def _transaction(route: Route, begin: str) -> AsyncIterator[Connection]:
    """`begin` opens it in one round trip; it holds a checked label and numbers only."""
    with store_errors(), refusals(route):
        async with lend(route.pool) as conn:
            try:
                await conn.execute(begin)
                yield conn
            except BaseException:
                await roll_back(conn)
                raise
            if await conn.execute("COMMIT") != "COMMIT":
                raise StoreUnavailable  # an error inside the block was swallowed


@contextmanager
def refusals(route: Route) -> Iterator[None]:
    """Turns what the database refuses on purpose into the errors that callers know."""
    try:
        yield
    except asyncpg.PostgresError as exc:
        if error := _REFUSALS.get(exc.sqlstate or ""):
            raise error(route.tenant) from exc
        raise
