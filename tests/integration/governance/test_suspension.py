"""A suspended tenant is refused everywhere, and a crash never lets it write."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import grpc
import pytest

from aeterna.governance.v1 import tenants_pb2 as pb
from libs.changes import Change, Operation, Origin
from libs.postgres import CONTROL_ROLE
from libs.spine import writing
from libs.tenancy import Route, ShardId, TenantId, TenantMoved
from tests.databases import SHARD, Database
from tests.errors import fails_with, reason_of
from tests.integration.governance.support import Administrator, broken, until_refused
from tests.suite import Suite, open_suite


async def test_writes_are_refused_at_once_and_reads_moments_later(
    suite: Suite, admin: Administrator, database: Database, tmp_path: Path
) -> None:
    await admin.create("acme")
    async with open_suite(database, tmp_path) as other_process:
        elsewhere = Administrator(other_process)
        await elsewhere.remember("acme", "kept")  # it knows the way now

        suspended = await admin.suspend("acme")

        assert suspended.state == pb.TENANT_STATE_SUSPENDED
        with fails_with("TENANT_SUSPENDED", code=grpc.StatusCode.FAILED_PRECONDITION):
            await elsewhere.remember("acme")
        refusal = await until_refused(elsewhere, "acme")
        assert isinstance(refusal, grpc.aio.AioRpcError)
        assert reason_of(refusal) == "TENANT_SUSPENDED"

        resumed = await admin.resume("acme")

        assert resumed.state == pb.TENANT_STATE_ACTIVE
        await elsewhere.remember("acme", "more")
        assert await elsewhere.recall("acme") == ["more", "kept"]


async def test_others_go_on(admin: Administrator) -> None:
    await admin.create("acme")
    await admin.create("bolt")

    await admin.suspend("acme")

    await admin.remember("bolt", "kept")
    assert await admin.recall("bolt") == ["kept"]


async def test_the_owner_still_sees_why(suite: Suite, admin: Administrator) -> None:
    await admin.create("acme")
    suspended = await admin.suspend("acme")

    request = pb.GetTenantRequest(name="tenants/acme")
    assert await suite.tenants.GetTenant(request, metadata=suite.auth("acme")) == suspended


async def test_both_are_in_the_log_once_however_often_they_are_asked_for(
    admin: Administrator,
) -> None:
    await admin.create("acme")

    suspended = [await admin.suspend("acme") for _ in range(3)]
    resumed = [await admin.resume("acme") for _ in range(3)]

    assert suspended == suspended[:1] * 3
    assert resumed == resumed[:1] * 3
    assert [entry.change.resource for entry in await admin.log("acme")] == ["tenants/acme"] * 3
    assert await admin.happened("acme") == ["created", "suspended", "resumed"]


async def test_a_late_repeat_changes_nothing(admin: Administrator) -> None:
    suspend, resume = str(uuid4()), str(uuid4())
    await admin.create("acme")
    suspended = await admin.suspend("acme", suspend)
    resumed = await admin.resume("acme", resume)

    assert await admin.suspend("acme", suspend) == suspended
    assert await admin.states("acme") == ("active", "active")
    await admin.suspend("acme")
    assert await admin.resume("acme", resume) == resumed
    assert await admin.states("acme") == ("suspended", "suspended")


async def test_only_a_tenant_can_be_suspended_or_resumed(admin: Administrator) -> None:
    for call in (admin.suspend, admin.resume):
        with fails_with("TENANT_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
            await call("nobody")


async def test_calls_at_the_same_time_leave_registry_and_fence_agreed(
    admin: Administrator,
) -> None:
    await admin.create("acme")

    await asyncio.gather(
        *((admin.suspend, admin.resume)[place % 2]("acme", str(uuid4())) for place in range(16))
    )

    registered, fence = await admin.states("acme")
    assert registered == fence
    history = await admin.happened("acme")
    assert history[1::2] == ["suspended"] * len(history[1::2])
    assert history[2::2] == ["resumed"] * len(history[2::2])
    assert (len(history) % 2 == 0) == (fence == "suspended")


_TABLES = [
    "aeterna.tenant_state",
    "aeterna.change",
    "aeterna.tenant_key",
    "control.tenant",
    "control.placement",
    "control.request",
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("table", _TABLES)
async def test_a_creation_that_broke_off_is_completed_by_a_retry(
    admin: Administrator, database: Database, table: str, late: bool
) -> None:
    request_id = str(uuid4())
    async with broken(database, table, "INSERT", late=late):
        with fails_with("STORE_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
            await admin.create("acme", request_id=request_id)
        assert not (await admin.page(10)).tenants  # what is listed can be used

    created = await admin.create("acme", request_id=request_id)

    assert await admin.create("acme", request_id=request_id) == created
    await admin.remember("acme", "kept")
    assert await admin.recall("acme") == ["kept"]
    assert await admin.happened("acme") == ["created"]


async def test_a_creation_that_broke_off_can_be_made_anew(
    admin: Administrator, database: Database
) -> None:
    async with broken(database, "control.placement", "INSERT"):
        with fails_with("STORE_UNAVAILABLE"):
            await admin.create("acme")

    await admin.create("acme", display_name="Other")

    await admin.remember("acme")
    assert await admin.happened("acme") == ["created"]


_CHANGES = [
    ("aeterna.change", "INSERT", "true"),
    ("aeterna.tenant_state", "UPDATE", "OLD.state <> NEW.state"),
    ("control.tenant", "UPDATE", "true"),
    ("control.request", "INSERT", "true"),
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("table", "when", "condition"), _CHANGES)
async def test_a_suspension_that_broke_off_is_completed_by_a_retry(
    admin: Administrator, database: Database, table: str, when: str, condition: str, late: bool
) -> None:
    await admin.create("acme")
    request_id = str(uuid4())
    async with broken(database, table, when, condition=condition, late=late):
        with fails_with("STORE_UNAVAILABLE"):
            await admin.suspend("acme", request_id)
        assert await admin.states("acme") != ("suspended", "active")

    await admin.suspend("acme", request_id)

    assert await admin.states("acme") == ("suspended", "suspended")
    assert await admin.happened("acme") == ["created", "suspended"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("table", "when", "condition"), _CHANGES)
async def test_a_resumption_that_broke_off_is_completed_by_a_retry(
    admin: Administrator, database: Database, table: str, when: str, condition: str, late: bool
) -> None:
    await admin.create("acme")
    await admin.suspend("acme")
    request_id = str(uuid4())
    async with broken(database, table, when, condition=condition, late=late):
        with fails_with("STORE_UNAVAILABLE"):
            await admin.resume("acme", request_id)
        assert await admin.states("acme") != ("suspended", "active")

    resumed = await admin.resume("acme", request_id)

    assert resumed.state == pb.TENANT_STATE_ACTIVE
    await admin.remember("acme")
    assert await admin.states("acme") == ("active", "active")
    assert await admin.happened("acme") == ["created", "suspended", "resumed"]


async def test_a_writer_of_an_older_epoch_is_refused_by_the_database(
    admin: Administrator, database: Database, pool: asyncpg.Pool
) -> None:
    await admin.create("acme")
    await admin.remember("acme", "kept")
    change = Change("memories/x", Operation.CREATED, Origin("user:stale"))
    stale = Route(TenantId("acme"), ShardId(SHARD), 1, pool)
    await move(database, "acme", epoch=2)

    with pytest.raises(TenantMoved):
        async with writing(stale) as write:
            await write.append([change])

    async with writing(replace(stale, epoch=2)) as write:
        await write.append([change])


async def test_a_tenant_that_moved_is_served_where_it_is_now(
    admin: Administrator, database: Database
) -> None:
    await admin.create("acme")
    await admin.remember("acme", "kept")
    await move(database, "acme", epoch=2)

    async with asyncio.timeout(10):
        while True:  # as a client does: the first call may meet the old way
            try:
                await admin.remember("acme", "more")
                break
            except grpc.aio.AioRpcError as error:
                if reason_of(error) != "TENANT_MOVED":
                    raise

    assert (await admin.suspend("acme")).placement.epoch == 2
    assert await admin.states("acme") == ("suspended", "suspended")


async def move(database: Database, tenant: str, epoch: int) -> None:
    """What the end of a migration does: the fence first, then the registry."""
    async with database.connect(CONTROL_ROLE) as control, control.transaction():
        await control.execute("SELECT set_config('aeterna.tenant', $1, true)", tenant)
        await control.execute("UPDATE aeterna.tenant_state SET epoch = $1", epoch)
        await control.execute(
            "UPDATE control.placement SET epoch = $2 WHERE tenant_id = $1", tenant, epoch
        )
