"""Roles in scopes and suspended users, as administrators meet them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.governance.v1 import audit_pb2, roles_pb2
from libs.auth import Role
from tests.errors import fails_with
from tests.integration.authorization.conftest import Client
from tests.suite import Suite

TEAM = roles_pb2.RoleScope(team_id="payments")


async def test_a_role_is_given_listed_and_taken_away(client: Client) -> None:
    given = await client.assign("bob", "tech_lead", scope=TEAM)

    assert (given.user, given.granted_by) == ("bob", "user:ann")
    assert given.scope == TEAM
    assert list(await client.bindings()) == [given]
    assert list(await client.bindings('user = "bob" AND role = "tech_lead"')) == [given]
    assert not await client.bindings('team_id = "other"')

    await client.revoke(given.name)
    assert not await client.bindings()
    with fails_with("ROLE_BINDING_NOT_FOUND"):
        await client.revoke(given.name)


async def test_a_role_that_somebody_has_already_is_given_until_another_time(client: Client) -> None:
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    first = await client.assign("bob", "viewer", scope=TEAM)

    second = await client.assign("bob", "viewer", scope=TEAM, expire_time=end)

    assert second.name == first.name
    assert second.expire_time == end
    assert list(await client.bindings()) == [second]


@pytest.mark.parametrize("role", ["tenant_admin"])
async def test_nobody_gives_or_takes_a_role_above_his_own(client: Client, role: str) -> None:
    given = await client.assign("bob", role, scope=TEAM)
    admin = client.by("cem", Role.ADMIN)

    with fails_with("ROLE_ABOVE_OWN", code=grpc.StatusCode.PERMISSION_DENIED):
        await admin.assign("dan", role)
    with fails_with("ROLE_ABOVE_OWN"):
        await admin.assign("cem", role, scope=TEAM)
    with fails_with("ROLE_ABOVE_OWN"):
        await admin.revoke(given.name)
    assert (await admin.assign("dan", "admin")).user == "dan"


async def test_a_role_held_in_a_place_counts_there_alone(client: Client) -> None:
    await client.assign("cem", "tenant_admin", scope=TEAM)
    admin = client.by("cem", Role.ADMIN)

    inside = roles_pb2.RoleScope(team_id="payments", project_id="ledger")
    assert await admin.assign("dan", "tenant_admin", scope=inside)
    with fails_with("ROLE_ABOVE_OWN"):
        await admin.assign("dan", "tenant_admin", scope=roles_pb2.RoleScope(team_id="other"))


async def test_the_same_request_again_gets_the_first_answer(client: Client) -> None:
    request_id = str(uuid4())

    first, *others = await asyncio.gather(
        *(client.assign("bob", "viewer", request_id) for _ in range(8))
    )

    assert others == [first] * 7
    with fails_with("REQUEST_ID_REUSED"):
        await client.assign("eve", "viewer", request_id)


async def test_bindings_are_paged(client: Client) -> None:
    for number in range(5):
        await client.assign(f"user {number}", "viewer")
    stub, request = client.suite.roles, roles_pb2.ListRoleBindingsRequest(page_size=2)
    seen: list[str] = []
    while True:
        page = await stub.ListRoleBindings(request, metadata=client.metadata)
        seen += [each.user for each in page.role_bindings]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [f"user {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("user", [" ", "a\u202eb"])
async def test_a_name_that_no_token_has_is_refused(client: Client, user: str) -> None:
    with fails_with("INVALID_REQUEST", "role_binding.user"):
        await client.assign(user, "viewer")


async def test_a_user_is_suspended_and_resumed(client: Client) -> None:
    stub, metadata = client.suite.roles, client.metadata
    suspended = await stub.SuspendUser(roles_pb2.SuspendUserRequest(user="eve"), metadata=metadata)
    again = await stub.SuspendUser(roles_pb2.SuspendUserRequest(user="eve"), metadata=metadata)
    assert again == suspended

    listing = await stub.ListSuspendedUsers(
        roles_pb2.ListSuspendedUsersRequest(), metadata=metadata
    )
    assert [(each.user, each.suspended_by) for each in listing.users] == [("eve", "user:ann")]

    await stub.ResumeUser(roles_pb2.ResumeUserRequest(user="eve"), metadata=metadata)
    with fails_with("USER_NOT_SUSPENDED"):
        await stub.ResumeUser(roles_pb2.ResumeUserRequest(user="eve"), metadata=metadata)


async def test_nobody_suspends_himself_or_who_is_above_him(client: Client) -> None:
    await client.assign("bob", "tenant_admin")
    admin = client.by("cem", Role.ADMIN)
    for user, reason in ("cem", "OWN_SUSPENSION"), ("bob", "ROLE_ABOVE_OWN"):
        with fails_with(reason):
            await client.suite.roles.SuspendUser(
                roles_pb2.SuspendUserRequest(user=user), metadata=admin.metadata
            )


async def test_every_change_is_in_the_trail(client: Client) -> None:
    given = await client.assign("bob", "viewer")
    await client.revoke(given.name)

    request = audit_pb2.ListAuditEntriesRequest(filter=f'resource = "{given.name}"')
    trail = await client.suite.audit.ListAuditEntries(request, metadata=client.metadata)

    assert [each.change.subject for each in trail.entries] == ["bob", "bob"]


async def test_tenants_do_not_see_each_other(client: Client, suite: Suite) -> None:
    given = await client.assign("bob", "viewer")
    other = Client(suite, await suite.create_tenant("bolt"))

    assert not await other.bindings()
    with fails_with("ROLE_BINDING_NOT_FOUND"):
        await other.revoke(given.name)
    assert await client.bindings()
