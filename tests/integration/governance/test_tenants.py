"""Tenants as platform administrators and their owners meet them."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message

from aeterna.governance.v1 import tenants_pb2 as pb
from libs.auth import Role
from libs.postgres import CONTROL_ROLE
from libs.tenancy.provision import ensure_shard
from tests.databases import SHARD, Database
from tests.errors import fails_with
from tests.integration.governance.support import Administrator
from tests.suite import Metadata, Suite


async def test_a_tenant_can_be_used_once_it_is_created(admin: Administrator) -> None:
    created = await admin.create("acme", display_name="Acme Ä 🦊")
    await admin.remember("acme", "kept")

    assert created.name == "tenants/acme"
    assert created.display_name == "Acme Ä 🦊"
    assert created.state == pb.TENANT_STATE_ACTIVE
    assert (created.placement.shard, created.placement.epoch) == (SHARD, 1)
    assert created.create_time == created.update_time
    assert await admin.recall("acme") == ["kept"]
    assert await admin.get("acme") == created


async def test_its_log_begins_with_its_creation(admin: Administrator) -> None:
    request_id = str(uuid4())
    await admin.create("acme", request_id=request_id)

    (entry,) = await admin.log("acme")

    assert entry.change.resource == "tenants/acme"
    assert entry.change.number == 1
    assert entry.change.actor == "user:root"
    assert entry.request_id == request_id


async def test_the_same_request_again_gets_the_first_answer(admin: Administrator) -> None:
    request_id = str(uuid4())
    first = await admin.create("acme", display_name="A", request_id=request_id)
    await admin.suspend("acme")

    assert await admin.create("acme", display_name="A", request_id=request_id) == first
    assert await admin.happened("acme") == ["created", "suspended"]


async def test_a_request_id_is_good_for_one_request(admin: Administrator) -> None:
    request_id = str(uuid4())
    await admin.create("acme", display_name="A", request_id=request_id)

    for tenant, name in (("acme", "B"), ("bolt", "A")):
        with fails_with("REQUEST_ID_REUSED"):
            await admin.create(tenant, display_name=name, request_id=request_id)
    with fails_with("REQUEST_ID_REUSED"):
        await admin.suspend("acme", request_id)


async def test_one_id_used_for_many_tenants_at_once_makes_one(admin: Administrator) -> None:
    request_id = str(uuid4())
    names = [f"t{number}" for number in range(6)]

    outcomes = await asyncio.gather(
        *(admin.create(name, request_id=request_id) for name in names), return_exceptions=True
    )

    made = [each.name for each in outcomes if isinstance(each, pb.Tenant)]
    assert len(made) == 1
    assert [each.name for each in (await admin.page(10)).tenants] == made


@pytest.mark.parametrize("request_id", ["", "0198a2b4-7c1e-7d3a-9f00-5b6c7d8e9f01"])
async def test_an_id_is_taken_once(admin: Administrator, request_id: str) -> None:
    await admin.create("acme")

    with fails_with("TENANT_ALREADY_EXISTS", code=grpc.StatusCode.ALREADY_EXISTS):
        await admin.create("acme", request_id=request_id)


async def test_of_many_that_create_a_tenant_one_does(admin: Administrator) -> None:
    outcomes = await asyncio.gather(
        *(admin.create("acme", request_id=str(uuid4())) for _ in range(8)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.Tenant) for each in outcomes) == 1
    assert await admin.happened("acme") == ["created"]


async def test_repeats_at_the_same_time_get_one_answer(admin: Administrator) -> None:
    request_id = str(uuid4())

    first, *others = await asyncio.gather(
        *(admin.create("acme", request_id=request_id) for _ in range(8))
    )

    assert others == [first] * 7
    assert await admin.happened("acme") == ["created"]


@pytest.mark.parametrize("tenant", ["", "A", "a_b", "-a", "a-", "a" * 64, "a/b", "ä", "a\n"])
async def test_an_id_is_a_dns_label(admin: Administrator, tenant: str) -> None:
    with fails_with("INVALID_REQUEST", "tenant_id", code=grpc.StatusCode.INVALID_ARGUMENT):
        await admin.create(tenant)


@pytest.mark.parametrize("tenant", ["a", "0", "a" * 63, "a-b", "xn--mnchen-3ya"])
async def test_any_dns_label_will_do(admin: Administrator, tenant: str) -> None:
    assert (await admin.create(tenant)).name == f"tenants/{tenant}"


async def test_tenants_spread_over_the_shared_shards(
    admin: Administrator, database: Database
) -> None:
    await add_shard(database, "second")
    await add_shard(database, "alone", kind="dedicated")

    created = [await admin.create(f"t{number}") for number in range(6)]

    shards = [each.placement.shard for each in created]
    assert sorted(shards) == [SHARD] * 3 + ["second"] * 3


async def test_a_shard_can_be_named(admin: Administrator, database: Database) -> None:
    await add_shard(database, "second")

    created = [await admin.create(f"t{number}", shard="second") for number in range(3)]

    assert {each.placement.shard for each in created} == {"second"}


async def test_a_dedicated_shard_takes_one_tenant(admin: Administrator, database: Database) -> None:
    await add_shard(database, "alone", kind="dedicated")

    outcomes = await asyncio.gather(
        *(admin.create(f"t{number}", shard="alone") for number in range(4)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.Tenant) for each in outcomes) == 1
    with fails_with("SHARD_OCCUPIED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await admin.create("late", shard="alone")


async def test_a_shard_must_exist(admin: Administrator) -> None:
    with fails_with("SHARD_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await admin.create("acme", shard="nowhere")

    assert not (await admin.page(10)).tenants


async def test_without_a_shared_shard_one_has_to_be_named(
    admin: Administrator, database: Database
) -> None:
    async with database.connect(CONTROL_ROLE) as control:
        await control.execute("UPDATE control.shard SET kind = 'dedicated'")

    with fails_with("NO_SHARED_SHARD", code=grpc.StatusCode.FAILED_PRECONDITION):
        await admin.create("acme")


async def test_tenants_are_listed_by_id_in_pages(admin: Administrator) -> None:
    names = ["a", "a-b", "a0", "ab", "b", "z"]
    for name in reversed(names):
        await admin.create(name)

    found, token = [], ""
    while True:
        page = await admin.page(4, token)
        found += [each.name for each in page.tenants]
        token = page.next_page_token
        if not token:
            break

    assert found == sorted(f"tenants/{name}" for name in names)


async def test_a_token_of_another_list_is_refused(admin: Administrator) -> None:
    with fails_with("INVALID_REQUEST", "page_token"):
        await admin.page(1, "AAAA")


async def test_only_platform_administrators_handle_tenants(
    suite: Suite, admin: Administrator
) -> None:
    await admin.create("acme")
    others = [role for role in Role if role is not Role.PLATFORM_ADMIN]
    name = "tenants/acme"

    for metadata in (suite.auth("acme", roles=[role]) for role in others):
        calls: list[tuple[Any, Message]] = [
            (suite.tenants.CreateTenant, pb.CreateTenantRequest(tenant_id="mine")),
            (suite.tenants.ListTenants, pb.ListTenantsRequest()),
            (suite.tenants.SuspendTenant, pb.SuspendTenantRequest(name=name)),
            (suite.tenants.ResumeTenant, pb.ResumeTenantRequest(name=name)),
        ]
        for call, request in calls:
            with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
                await call(request, metadata=metadata)
    assert (await admin.page(10)).tenants[0] == await admin.get("acme")


async def test_everybody_may_look_at_the_own_tenant_only(
    suite: Suite, admin: Administrator
) -> None:
    acme = await admin.create("acme")
    await admin.create("bolt")

    async def look(tenant: str, metadata: Metadata) -> pb.Tenant:
        request = pb.GetTenantRequest(name=f"tenants/{tenant}")
        return await suite.tenants.GetTenant(request, metadata=metadata)

    viewer = suite.auth("acme", roles=[Role.VIEWER])
    assert await look("acme", viewer) == acme
    for tenant in ("bolt", "not-there"):
        with fails_with("PERMISSION_DENIED"):
            await look(tenant, viewer)
    with fails_with("TENANT_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await look("not-there", suite.platform_admin)


@pytest.mark.parametrize("name", ["acme", "tenants/", "tenants/A", "tenants/a/b", "users/acme"])
async def test_a_name_names_a_tenant(suite: Suite, name: str) -> None:
    with fails_with("INVALID_REQUEST", "name"):
        request = pb.GetTenantRequest(name=name)
        await suite.tenants.GetTenant(request, metadata=suite.platform_admin)


async def test_a_shard_that_is_registered_again_is_found_at_its_new_place(
    database: Database,
) -> None:
    async with database.connect(CONTROL_ROLE) as control:
        for dsn in ("postgresql://old/a", "postgresql://new/a", "postgresql://new/a"):
            await ensure_shard(control, "local", dsn)
        rows = await control.fetch("SELECT id, dsn, kind FROM control.shard")

    assert [tuple(row) for row in rows] == [("local", "postgresql://new/a", "shared")]


async def add_shard(database: Database, shard: str, kind: str = "shared") -> None:
    async with database.connect(CONTROL_ROLE) as control:
        await ensure_shard(control, shard, database.dsn)
        await control.execute("UPDATE control.shard SET kind = $2 WHERE id = $1", shard, kind)


async def test_the_time_of_the_last_change_moves_on(admin: Administrator) -> None:
    created = await admin.create("acme")

    suspended = await admin.suspend("acme")
    resumed = await admin.resume("acme")

    times = [datetime_of(each) for each in (created, suspended, resumed)]
    assert times == sorted(set(times))
    assert suspended.create_time == resumed.create_time == created.create_time


def datetime_of(tenant: pb.Tenant) -> datetime:
    return tenant.update_time.ToDatetime()
