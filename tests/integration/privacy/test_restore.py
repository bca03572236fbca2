"""A shard that is restored from a backup older than an erasure: nothing of the person opens, and
the erasure is done again."""

from __future__ import annotations  # the stubs know more classes than the code

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from aeterna.governance.v1 import audit_pb2, erasure_pb2
from libs.encryption import KeyDestroyed, Keyring
from libs.encryption.keyring import Sealed
from libs.encryption.kms_local import LocalKms
from libs.encryption.primitives import unwrap_key
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.shares import ControlShares
from libs.encryption.store import PostgresKeyStore
from libs.postgres import CONTROL_ROLE, open_pool
from libs.tenancy import Route, ShardId, TenantId
from tests.databases import SHARD, Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.integration.privacy.dumps import holding
from tests.integration.privacy.people import ANN, IDENTIFIERS, People
from tests.suite import Suite, open_suite


@pytest.fixture
async def shard(postgres: str) -> AsyncIterator[Database]:
    async with Database.copy(postgres) as copy:
        yield copy


@asynccontextmanager
async def served(control: Database, shard: Database, folder: Path) -> AsyncIterator[Suite]:
    """The suite, with the tenants' data in a database of its own."""
    async with control.connect(CONTROL_ROLE) as conn:
        await conn.execute(
            "INSERT INTO control.shard (id, dsn) VALUES ($1, $2)"
            " ON CONFLICT (id) DO UPDATE SET dsn = excluded.dsn",
            SHARD,
            shard.dsn,
        )
    async with open_suite(control, folder) as suite:
        yield suite


@asynccontextmanager
async def backup_of(postgres: str, shard: Database) -> AsyncIterator[Database]:
    """A copy of the shard as it is now; nobody may be connected to it."""
    name = f"{shard.name}_backup"
    server = await asyncpg.connect(postgres)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {shard.name}")
        yield Database(shard.superuser.replace(shard.name, name), name)
    finally:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await server.close()


async def openable(backup: Database, control: Database, folder: Path) -> tuple[int, int]:
    """Of the memories about Ann in a backup: how many there are, and how many the keys of the
    platform open."""
    async with (
        open_pool(backup.settings()) as pool,
        open_pool(control.settings()) as controls,
        backup.connect() as superuser,
    ):
        route = Route(TenantId("acme"), ShardId(SHARD), 1, pool)
        kms = LocalKms.open(folder / "keyring.json")
        ring = Keyring(kms, PostgresKeyStore(), shares=ControlShares(controls))
        sql = "SELECT id, content FROM aeterna.memory WHERE user_id = $1"
        rows = await superuser.fetch(
            f"{sql} UNION ALL {sql.replace('memory', 'memory_version')}", ANN
        )
        opened = 0
        for row in rows:
            try:
                await ring.open(route, [Sealed(MEMORY_CONTENT, row["id"], row["content"])])
            except KeyDestroyed:
                continue
            opened += 1
    return len(rows), opened


async def halves(backup: Database, folder: Path) -> list[bytes]:
    """What the KMS and the tenant's key, which nobody has destroyed, make of Ann's keys in a
    backup."""
    from libs.encryption.kms import WrappedKey

    kms = LocalKms.open(folder / "keyring.json")
    async with backup.connect() as superuser:
        tenant_key = await superuser.fetchrow("SELECT * FROM aeterna.tenant_key")
        rows = await superuser.fetch(
            "SELECT wrapped FROM aeterna.subject_key WHERE subject_id = $1", ANN
        )
    assert tenant_key is not None
    context = {"tenant": "acme", "version": "1"}
    secret = await kms.unwrap(WrappedKey(tenant_key["kms_key_id"], tenant_key["wrapped"]), context)
    return [unwrap_key(secret, row["wrapped"]) for row in rows]


async def test_a_backup_from_before_does_not_open_and_is_erased_again(
    database: Database, shard: Database, postgres: str, tmp_path: Path
) -> None:
    async with served(database, shard, tmp_path) as suite:
        people = await People.create(suite)
        await people.fill()
    async with backup_of(postgres, shard) as backup:
        assert await openable(backup, database, tmp_path) == (3, 3)
        async with served(database, shard, tmp_path) as people.suite:
            erasure = await people.erase("delete")
        for each in (shard, database):
            assert await holding(each, [ANN, *IDENTIFIERS]) == {}

        assert await openable(backup, database, tmp_path) == (3, 0)
        (half,) = await halves(backup, tmp_path)
        assert len(half) == 40  # the key is wrapped once more, by a share that is gone

        async with served(database, backup, tmp_path) as people.suite:
            await gone(backup)
            assert set(await people.memories()) == set(people.others)
            with fails_with("SUBJECT_ERASED"):
                await people.remember("Back again.", about=ANN)
            await complete_again(people)
            assert await people.erasure(erasure.name) == erasure  # the first certificate counts
            verify = audit_pb2.VerifyAuditTrailRequest()
            verdict = await people.suite.audit.VerifyAuditTrail(verify, metadata=people.admin)
            assert verdict.intact


async def test_a_person_whose_erasure_was_lifted_stays_welcome(
    database: Database, shard: Database, postgres: str, tmp_path: Path
) -> None:
    async with served(database, shard, tmp_path) as suite:
        people = await People.create(suite)
        await people.fill()
    async with backup_of(postgres, shard) as backup:
        async with served(database, shard, tmp_path) as people.suite:
            await people.erase("anonymize")
            lift = erasure_pb2.LiftErasureRequest(subject=ANN)
            await people.suite.erasures.LiftErasure(lift, metadata=people.admin)
        async with served(database, backup, tmp_path) as people.suite:
            await gone(backup)
            await complete_again(people)
            await people.remember("Back again.", by=people.ann, about=ANN)


async def test_an_administrator_replays(people: People) -> None:
    """As if the shard had lost what it knows of the erasure."""
    await people.fill()
    erasure = await people.erase("delete")
    stub, replay = people.suite.erasures, erasure_pb2.ReplayErasuresRequest()
    assert not (await stub.ReplayErasures(replay, metadata=people.admin)).erasures
    async with people.suite.database.connect() as superuser:
        await superuser.execute("DELETE FROM aeterna.operation")
        await superuser.execute("DELETE FROM aeterna.erasure")

    lacking = await stub.ReplayErasures(replay, metadata=people.admin)

    assert list(lacking.erasures) == [erasure.name]
    await complete_again(people)


async def complete_again(people: People) -> None:
    async def nothing_lacks() -> bool:
        async with people.suite.database.connect() as superuser:
            rows = await superuser.fetch("SELECT pseudonym FROM control.erasure")
        return all(row["pseudonym"] == "" for row in rows)

    await eventually(nothing_lacks, seconds=60)


async def gone(shard: Database) -> None:
    async def nothing() -> bool:
        return await holding(shard, [ANN, *IDENTIFIERS]) == {}

    await eventually(nothing, seconds=60)
