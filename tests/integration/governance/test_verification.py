"""Whoever alters the log in the database itself is found out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from aeterna.governance.v1 import audit_pb2 as pb
from libs.changes import Change, Operation, Origin
from libs.postgres.bootstrap import OWNER_ROLE
from libs.spine import writing
from libs.tenancy import Route, ShardId, TenantId
from tests.databases import SHARD, Database
from tests.suite import Suite

_ORIGIN = Origin("user:ann", "0" * 32, "0198c0de-0000-7000-8000-000000000000")
_DETAILS = {"policy": "p"}
_VICTIM = 3
_LENGTH = 6

# What each column of the victim is set to. All of them must be found.
_TAMPERING = {
    "tenant_id": ["'ghost'"],
    "number": ["99", "2147483648"],
    "resource": ["'memories/y'", "resource || ' '", "''"],
    "operation": ["'deleted'", "'unheard of'", "upper(operation)"],
    "actor": ["'user:mallory'", "'user:Ann'"],
    "subject": ["'bob'"],
    "layer": ["'org'"],
    "trace_id": ["''"],
    "request_id": ["''", "upper(request_id)"],
    "event": ["'login'"],
    "committed_at": [
        "committed_at + interval '1 microsecond'",
        "'infinity'",
        "'-infinity'",
        "'4000-01-01 BC'",
        "'20000-01-01'",
    ],
    "hash": ["sha256('x')", "''", "hash || '\\x00'"],
    "amendment": ["''", "sha256('x')"],
    "details": [
        "NULL",
        "'{}'",
        """'{"policy": "q"}'""",
        """'{"policy": 5}'""",
        """'{"policy": {}}'""",
        """'{"policy": "p", "reason": ""}'""",
    ],
}


async def test_every_column_is_tampered_with(database: Database) -> None:
    async with database.connect() as superuser:
        columns = await superuser.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'aeterna.change'::regclass"
            " AND attnum > 0 AND NOT attisdropped"
        )

    assert {row[0] for row in columns} == set(_TAMPERING)


@asynccontextmanager
async def tampering(database: Database, role: str | None) -> AsyncIterator[asyncpg.Connection]:
    """A connection for which row-level security is no obstacle."""
    async with database.connect(role) as conn:
        await conn.execute("ALTER TABLE aeterna.change NO FORCE ROW LEVEL SECURITY")
        await conn.execute("ALTER TABLE aeterna.tenant_state NO FORCE ROW LEVEL SECURITY")
        yield conn


class Trails:
    """Makes tenants with a log of known length and verifies it through the service."""

    def __init__(self, suite: Suite, pool: asyncpg.Pool) -> None:
        self._suite, self._pool = suite, pool
        self._made = 0

    async def make(self, length: int = _LENGTH) -> TenantId:
        self._made += 1
        tenant = TenantId(f"t{self._made}")
        await self._suite.create_tenant(tenant)
        change = Change("memories/x", Operation.UPDATED, _ORIGIN, "ann", "user", details=_DETAILS)
        async with writing(Route(tenant, ShardId(SHARD), 1, self._pool)) as write:
            await write.append([change] * (length - 1))
        return tenant

    async def verify(self, tenant: TenantId) -> pb.VerifyAuditTrailResponse:
        return await self._suite.audit.VerifyAuditTrail(
            pb.VerifyAuditTrailRequest(), metadata=self._suite.auth(tenant)
        )


@pytest.fixture
def trails(suite: Suite, pool: asyncpg.Pool) -> Trails:
    return Trails(suite, pool)


@pytest.mark.parametrize("role", [None, OWNER_ROLE], ids=["superuser", "owner"])
async def test_no_column_can_be_altered(
    trails: Trails, database: Database, role: str | None
) -> None:
    async with tampering(database, role) as conn:
        for column, values in _TAMPERING.items():
            for value in values:
                tenant = await trails.make()
                done = await conn.execute(
                    f"UPDATE aeterna.change SET {column} = {value}"
                    " WHERE tenant_id = $1 AND number = $2",
                    tenant,
                    _VICTIM,
                )
                assert done == "UPDATE 1"

                found = await trails.verify(tenant)

                assert (found.intact, found.broken_at) == (False, _VICTIM), (column, value)
                assert found.checked == _VICTIM - 1


_COPY = """
    INSERT INTO aeterna.change SELECT tenant_id, {number}, resource, operation, actor, subject,
        layer, trace_id, request_id, event, committed_at, {hash}, details FROM aeterna.change
    WHERE tenant_id = $1 AND number = {source}
"""
# A row after the last one, with the hash that it would have.
_FORGED = _COPY.format(
    number=_LENGTH + 1,
    source=_LENGTH,
    hash=f"aeterna.chain(hash, {_LENGTH + 1}, resource, operation, actor, subject, layer, trace_id,"
    " request_id, event, committed_at, details)",
)


@pytest.mark.parametrize(
    ("statements", "broken_at"),
    [
        (["DELETE FROM aeterna.change WHERE tenant_id = $1 AND number = 1"], 1),
        (["DELETE FROM aeterna.change WHERE tenant_id = $1 AND number = 3"], 3),
        (["DELETE FROM aeterna.change WHERE tenant_id = $1 AND number IN (2, 4)"], 2),
        (["DELETE FROM aeterna.change WHERE tenant_id = $1 AND number = 6"], 6),
        (["DELETE FROM aeterna.change WHERE tenant_id = $1 AND number > 4"], 5),
        (["DELETE FROM aeterna.change WHERE tenant_id = $1"], 1),
        (["DELETE FROM aeterna.tenant_state WHERE tenant_id = $1"], 1),
        (["UPDATE aeterna.tenant_state SET seq = seq + 1 WHERE tenant_id = $1"], 7),
        (["UPDATE aeterna.tenant_state SET seq = 4 WHERE tenant_id = $1"], 5),
        ([_COPY.format(number=7, source=6, hash="hash")], 7),
        ([_FORGED], 7),
        (
            [
                "UPDATE aeterna.change SET number = 100 WHERE tenant_id = $1 AND number = 2",
                "UPDATE aeterna.change SET number = 2 WHERE tenant_id = $1 AND number = 5",
                "UPDATE aeterna.change SET number = 5 WHERE tenant_id = $1 AND number = 100",
            ],
            2,
        ),
        (
            [
                "UPDATE aeterna.change SET number = number + 100"
                " WHERE tenant_id = $1 AND number > 3",
                _COPY.format(number=4, source=3, hash="hash"),
                "UPDATE aeterna.change SET number = number - 99"
                " WHERE tenant_id = $1 AND number > 100",
                "UPDATE aeterna.tenant_state SET seq = 7 WHERE tenant_id = $1",
            ],
            4,
        ),
    ],
    ids=[
        "first removed",
        "middle removed",
        "two removed",
        "last removed",
        "tail removed",
        "all removed",
        "count removed",
        "count raised",
        "count lowered",
        "row added at the end",
        "row forged at the end",
        "rows swapped",
        "row inserted and the rest renumbered",
    ],
)
async def test_no_row_can_come_go_or_move(
    trails: Trails, database: Database, statements: list[str], broken_at: int
) -> None:
    tenant, untouched = await trails.make(), await trails.make()
    async with tampering(database, None) as conn:
        for statement in statements:
            await conn.execute(statement, tenant)

    found = await trails.verify(tenant)

    assert (found.intact, found.broken_at) == (False, broken_at)
    assert (await trails.verify(untouched)).intact


async def test_what_was_removed_with_its_count_shows_in_a_head_that_was_kept(
    trails: Trails, database: Database
) -> None:
    tenant = await trails.make()
    kept = await trails.verify(tenant)
    async with tampering(database, None) as conn:
        await conn.execute("DELETE FROM aeterna.change WHERE number > 4")
        await conn.execute("UPDATE aeterna.tenant_state SET seq = 4")

    found = await trails.verify(tenant)

    assert (found.intact, found.checked) == (True, 4)
    assert found.head != kept.head


async def test_an_untouched_trail_is_intact_however_long(
    trails: Trails, database: Database
) -> None:
    tenant = await trails.make(2500)

    found = await trails.verify(tenant)

    async with database.connect() as superuser:
        head = await superuser.fetchval("SELECT hash FROM aeterna.change WHERE number = 2500")
    assert (found.intact, found.checked, found.broken_at) == (True, 2500, 0)
    assert found.head == head


async def test_far_inside_a_long_trail_is_looked_at_too(trails: Trails, database: Database) -> None:
    tenant = await trails.make(2500)
    async with tampering(database, None) as conn:
        await conn.execute("UPDATE aeterna.change SET actor = 'user:bob' WHERE number = 1001")

    assert (await trails.verify(tenant)).broken_at == 1001


async def test_writes_that_go_on_do_not_look_like_tampering(trails: Trails, suite: Suite) -> None:
    tenant = await trails.make()
    record = pb.RecordAuditEventRequest(event="login")

    async def write() -> None:
        for _ in range(40):
            await suite.audit.RecordAuditEvent(record, metadata=suite.auth(tenant))

    writers = asyncio.gather(write(), write())
    checked = []
    while not writers.done():
        found = await trails.verify(tenant)
        assert found.intact
        checked.append(found.checked)
    await writers

    assert checked == sorted(checked)
    assert (await trails.verify(tenant)).checked == _LENGTH + 80
