"""Checkpoints, copies and pruning of a trail, through the service."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import grpc
import pytest

from aeterna.governance.v1 import audit_pb2 as pb
from aeterna.sync.v1 import sync_pb2
from libs.audit import Fault
from libs.audit.export import check
from libs.auth import Role
from libs.changes import Change, Operation, Origin
from libs.spine import writing
from libs.tenancy import Route, ShardId, TenantId
from tests.databases import SHARD, Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.suite import Metadata, Suite, open_suite

_ORIGIN = Origin("user:ann", "0" * 32)


@pytest.fixture
async def proving(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    """A suite that signs every trail at once and keeps entries for no time."""
    monkeypatch.setenv("GOVERNANCE_AUDIT__CHECKPOINT_INTERVAL", "PT0.05S")
    monkeypatch.setenv("GOVERNANCE_AUDIT__CHECKPOINT_ENTRIES", "1")
    monkeypatch.setenv("GOVERNANCE_AUDIT__RETENTION", "PT0S")
    async with open_suite(database, tmp_path) as suite:
        yield suite


class Auditor:
    """The audit service as one caller sees it."""

    def __init__(self, suite: Suite, metadata: Metadata) -> None:
        self.suite, self.metadata = suite, metadata

    async def verify(self) -> pb.VerifyAuditTrailResponse:
        request = pb.VerifyAuditTrailRequest()
        return await self.suite.audit.VerifyAuditTrail(request, metadata=self.metadata)

    async def export(self, since: int = 0, until: int = 0) -> list[bytes]:
        request = pb.ExportAuditTrailRequest(since=since, until=until)
        stream = self.suite.audit.ExportAuditTrail(request, metadata=self.metadata)
        return b"".join([part.lines async for part in stream]).splitlines(keepends=True)

    async def prune(self, until: int, digest: bytes, request_id: str = "") -> int:
        request = pb.PruneAuditTrailRequest(until=until, hash=digest, request_id=request_id)
        return (await self.suite.audit.PruneAuditTrail(request, metadata=self.metadata)).pruned

    async def checkpoints(self) -> list[pb.AuditCheckpoint]:
        request = pb.ListAuditCheckpointsRequest()
        found = await self.suite.audit.ListAuditCheckpoints(request, metadata=self.metadata)
        return list(found.checkpoints)

    async def key(self) -> bytes:
        request = pb.ListSigningKeysRequest()
        found = await self.suite.audit.ListSigningKeys(request, metadata=self.metadata)
        assert found.keys[0].current
        return found.keys[0].public_key

    async def hash_of(self, number: int) -> bytes:
        request = pb.ListAuditEntriesRequest(page_size=1000)
        found = await self.suite.audit.ListAuditEntries(request, metadata=self.metadata)
        return next(each.hash for each in found.entries if each.change.number == number)


async def grown(suite: Suite, pool: asyncpg.Pool, tenant: str, length: int = 10) -> Auditor:
    """A tenant whose trail has that length."""
    metadata = await suite.create_tenant(tenant)
    await grow(pool, tenant, length - 1)
    return Auditor(suite, metadata)


async def grow(pool: asyncpg.Pool, tenant: str, length: int) -> None:
    """By so much."""
    change = Change("memories/x", Operation.UPDATED, _ORIGIN, details={"reason": "test"})
    async with writing(Route(TenantId(tenant), ShardId(SHARD), 1, pool)) as write:
        await write.append([change] * length)


async def signed_at(auditor: Auditor, number: int) -> None:
    async def reached() -> bool:
        return any(each.number >= number for each in await auditor.checkpoints())

    await eventually(reached)


async def test_trails_are_signed_as_they_grow(proving: Suite, pool: asyncpg.Pool) -> None:
    auditor = await grown(proving, pool, "acme")

    await signed_at(auditor, 10)

    checkpoint = (await auditor.checkpoints())[-1]
    assert checkpoint.hash == await auditor.hash_of(10)
    found = await auditor.verify()
    assert (found.intact, found.proved, found.checked) == (True, 10, 10)


async def test_a_shard_that_is_away_keeps_no_other_from_being_signed(
    proving: Suite, pool: asyncpg.Pool
) -> None:
    auditor = await grown(proving, pool, "acme")
    async with proving.database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO control.shard (id, dsn) VALUES ('away', 'postgresql://127.0.0.1:1/away')"
        )

    for length in (15, 20):  # a look may have been under way
        await grow(pool, "acme", 5)
        await signed_at(auditor, length)


async def test_a_tail_that_is_removed_with_its_count_is_found_by_a_checkpoint(
    proving: Suite, pool: asyncpg.Pool, database: Database
) -> None:
    auditor = await grown(proving, pool, "acme")
    await signed_at(auditor, 10)

    async with database.connect() as superuser:
        await superuser.execute("DELETE FROM aeterna.change WHERE number > 7")
        await superuser.execute("UPDATE aeterna.tenant_state SET seq = 7")

    found = await auditor.verify()
    assert (found.broken_at, found.fault) == (8, pb.AUDIT_FAULT_TRUNCATED)


async def test_a_chain_that_is_made_anew_is_found_by_a_checkpoint(
    proving: Suite, pool: asyncpg.Pool, database: Database
) -> None:
    auditor = await grown(proving, pool, "acme")
    await signed_at(auditor, 10)

    async with database.connect() as superuser:
        await superuser.execute("UPDATE aeterna.change SET actor = 'user:bob' WHERE number = 4")
        await superuser.execute(
            """
            DO $$ DECLARE h bytea; r aeterna.change; BEGIN
                SELECT hash INTO h FROM aeterna.change WHERE number = 3;
                FOR r IN SELECT * FROM aeterna.change WHERE number > 3 ORDER BY number LOOP
                    h := aeterna.chain(h, r.number, r.resource, r.operation, r.actor, r.subject,
                        r.layer, r.trace_id, r.request_id, r.event, r.committed_at, r.details);
                    UPDATE aeterna.change SET hash = h WHERE number = r.number;
                END LOOP;
            END $$
            """
        )

    found = await auditor.verify()
    assert found.fault == pb.AUDIT_FAULT_REWRITTEN
    assert found.proved < found.broken_at <= 10


async def test_a_copy_proves_itself_without_the_suite(proving: Suite, pool: asyncpg.Pool) -> None:
    auditor = await grown(proving, pool, "acme", 2500)
    await signed_at(auditor, 2500)

    lines = await auditor.export()

    found = check(lines, [await auditor.key()])
    assert (found.verdict.intact, found.verdict.checked) == (True, 2500)
    assert found.checkpoints
    del lines[1200]
    assert not check(lines).verdict.intact


async def test_a_part_of_a_trail_is_copied(proving: Suite, pool: asyncpg.Pool) -> None:
    auditor = await grown(proving, pool, "acme")

    found = check(await auditor.export(3, 7), [await auditor.key()])

    assert (found.extent.since, found.verdict.checked, found.verdict.intact) == (3, 7, True)
    with fails_with("AUDIT_ENTRY_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await auditor.export(0, 1000)


async def test_what_is_archived_is_pruned_and_the_rest_stays_provable(
    proving: Suite, pool: asyncpg.Pool
) -> None:
    auditor = await grown(proving, pool, "acme")
    archive = await auditor.export()
    request_id = str(uuid4())

    assert await auditor.prune(6, await auditor.hash_of(6), request_id) == 6
    assert await auditor.prune(6, b"0" * 32, str(uuid4())) == 6  # nothing is left to prove

    found = await auditor.verify()
    assert (found.intact, found.pruned, found.proved >= 6) == (True, 6, True)
    assert check(archive).verdict.intact
    rest = check(await auditor.export(), [await auditor.key()])
    assert (rest.extent.since, rest.verdict.intact) == (6, True)
    with fails_with("ENTRIES_PRUNED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await auditor.export(2)
    async with writing(Route(TenantId("acme"), ShardId(SHARD), 1, pool)) as write:
        await write.append([Change("memories/y", Operation.UPDATED, _ORIGIN)])
    assert (await auditor.verify()).intact


async def test_pruning_needs_an_archive_and_an_intact_trail(
    proving: Suite, pool: asyncpg.Pool, database: Database
) -> None:
    auditor = await grown(proving, pool, "acme")

    with fails_with("ARCHIVE_MISMATCH", code=grpc.StatusCode.FAILED_PRECONDITION):
        await auditor.prune(6, await auditor.hash_of(5))
    with fails_with("AUDIT_ENTRY_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await auditor.prune(1000, b"0" * 32)
    digest = await auditor.hash_of(6)
    async with database.connect() as superuser:
        await superuser.execute("UPDATE aeterna.change SET actor = 'user:bob' WHERE number = 8")
    with fails_with("AUDIT_TRAIL_BROKEN", code=grpc.StatusCode.FAILED_PRECONDITION):
        await auditor.prune(6, digest)
    assert (await auditor.verify()).pruned == 0


async def test_entries_are_kept_for_a_while(suite: Suite, pool: asyncpg.Pool) -> None:
    auditor = await grown(suite, pool, "acme")

    with fails_with("ENTRIES_TOO_YOUNG", code=grpc.StatusCode.FAILED_PRECONDITION):
        await auditor.prune(6, await auditor.hash_of(6))


async def test_what_is_deleted_as_if_it_had_been_pruned_is_found(
    proving: Suite, pool: asyncpg.Pool, database: Database
) -> None:
    auditor = await grown(proving, pool, "acme")
    await signed_at(auditor, 10)

    async with database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO aeterna.change_floor SELECT tenant_id, number, hash FROM aeterna.change"
            " WHERE number = 4"
        )
        await superuser.execute("DELETE FROM aeterna.change WHERE number <= 4")

    found = await auditor.verify()
    assert (found.broken_at, found.fault) == (1, pb.AUDIT_FAULT_UNSIGNED)


async def test_who_follows_a_pruned_log_is_told_to_list_anew(
    proving: Suite, pool: asyncpg.Pool
) -> None:
    auditor = await grown(proving, pool, "acme")
    await auditor.prune(6, await auditor.hash_of(6))
    listing = proving.sync.ListChanges

    with fails_with("CHANGES_PRUNED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await listing(sync_pb2.ListChangesRequest(since=3), metadata=auditor.metadata)

    found = await listing(sync_pb2.ListChangesRequest(since=6), metadata=auditor.metadata)
    assert [each.number for each in found.changes] == [7, 8, 9, 10, 11]


async def test_only_administrators_prune_and_only_auditors_copy(
    proving: Suite, pool: asyncpg.Pool
) -> None:
    auditor = await grown(proving, pool, "acme")
    digest = await auditor.hash_of(6)
    for role in (Role.VIEWER, Role.DEVELOPER, Role.TECH_LEAD, Role.AGENT):
        other = Auditor(proving, proving.auth("acme", "bob", (role,)))
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await other.prune(6, digest)
        if role is not Role.TECH_LEAD:
            with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
                await other.export()


async def test_the_trail_is_copied_while_it_grows(proving: Suite, pool: asyncpg.Pool) -> None:
    auditor = await grown(proving, pool, "acme", 1500)
    record = pb.RecordAuditEventRequest(event="login")

    async def write() -> None:
        for _ in range(20):
            await proving.audit.RecordAuditEvent(record, metadata=auditor.metadata)

    writing_on = asyncio.create_task(write())
    for _ in range(3):
        found = check(await auditor.export())
        assert found.verdict.fault is not Fault.ADDED
        assert found.verdict.intact
    await writing_on
