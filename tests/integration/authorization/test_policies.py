"""A tenant's own policies and their versions, as administrators meet them."""

import asyncio
from uuid import uuid4

import grpc
import pytest

from aeterna.governance.v1 import audit_pb2
from aeterna.governance.v1 import authorization_policies_pb2 as pb
from libs.authorization.store import load_rules
from libs.postgres import open_pool
from libs.tenancy import Route, ShardId, TenantId
from tests.errors import fails_with, reason_of, status_of
from tests.integration.authorization.conftest import Client
from tests.suite import Suite

FORBID = 'forbid (principal, action == Aeterna::Action::"CreateMemory", resource);'
LAYERED = FORBID.replace(";", '\nwhen { resource.layer == "company" };')
NAME = "authorizationPolicies/frozen"


async def active(suite: Suite, tenant: str = "acme") -> dict[str, str]:
    """The policies that every service loads."""
    async with open_pool(suite.database.settings()) as pool:
        rules = await load_rules(Route(TenantId(tenant), ShardId("main"), 1, pool))
    return dict(rules.policies)


async def versions(client: Client) -> list[pb.AuthorizationPolicyVersion]:
    request = pb.ListAuthorizationPolicyVersionsRequest(name=NAME)
    stub = client.suite.authorization_policies
    answer = await stub.ListAuthorizationPolicyVersions(request, metadata=client.metadata)
    return list(answer.versions)


async def test_a_draft_holds_once_it_is_activated(client: Client) -> None:
    draft = await client.create("frozen", FORBID, "No writes.")

    assert (draft.name, draft.text, draft.description) == (NAME, FORBID, "No writes.")
    assert (draft.version, draft.active_version, draft.latest_version) == (1, 0, 1)
    assert draft.state == pb.AUTHORIZATION_POLICY_STATE_DRAFT
    assert await active(client.suite) == {}

    activated = await client.activate("frozen", etag=draft.etag)

    assert activated.state == pb.AUTHORIZATION_POLICY_STATE_ACTIVE
    assert activated.etag != draft.etag
    assert await active(client.suite) == {"frozen": FORBID}


async def test_versions_stay_as_they_are(client: Client) -> None:
    await client.create("frozen", FORBID)
    await client.activate("frozen")
    changed = await client.rewrite("frozen", LAYERED)

    assert (changed.version, changed.active_version, changed.latest_version) == (1, 1, 2)
    assert changed.text == FORBID
    assert (await client.activate("frozen")).text == LAYERED
    newest, oldest = await versions(client)
    assert (newest.version, newest.text, newest.author) == (2, LAYERED, "user:ann")
    assert newest.state == pb.AUTHORIZATION_POLICY_STATE_ACTIVE
    assert oldest.state == pb.AUTHORIZATION_POLICY_STATE_RETIRED
    assert oldest.text == FORBID


async def test_going_back_goes_further_back_each_time(client: Client) -> None:
    await client.create("frozen", FORBID)
    with fails_with("NOTHING_TO_ROLL_BACK_TO"):
        await client.roll_back("frozen")
    for _ in range(2):
        await client.rewrite("frozen", LAYERED)
    for version in (1, 3):
        await client.activate("frozen", version)

    assert (await client.roll_back("frozen")).active_version == 1
    assert await active(client.suite) == {"frozen": FORBID}
    with fails_with("NOTHING_TO_ROLL_BACK_TO"):
        await client.roll_back("frozen")


async def test_what_is_made_inactive_can_be_brought_back(client: Client) -> None:
    await client.create("frozen", FORBID)
    await client.activate("frozen")
    request = pb.DeactivateAuthorizationPolicyRequest(name=NAME)
    stub = client.suite.authorization_policies

    inactive = await stub.DeactivateAuthorizationPolicy(request, metadata=client.metadata)

    assert (inactive.active_version, inactive.version) == (0, 1)
    assert inactive.state == pb.AUTHORIZATION_POLICY_STATE_RETIRED
    assert await active(client.suite) == {}
    assert (await client.roll_back("frozen")).active_version == 1


async def test_what_is_wrong_is_refused_with_its_line(client: Client) -> None:
    wrong = LAYERED.replace("layer", "layr")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.create("frozen", wrong)
    assert "line 2: attribute `layr`" in str(status_of(refused.value))
    with fails_with("INVALID_REQUEST", "authorization_policy.text"):
        await client.create("frozen", "permit (principal, action, resource);")

    request = pb.ValidateAuthorizationPolicyRequest(text=wrong)
    stub = client.suite.authorization_policies
    answer = await stub.ValidateAuthorizationPolicy(request, metadata=client.metadata)
    assert not answer.valid
    assert [each.line for each in answer.problems] == [2]
    request.text = LAYERED
    assert (await stub.ValidateAuthorizationPolicy(request, metadata=client.metadata)).valid


async def test_of_activations_that_saw_the_same_policy_one_is_carried_out(client: Client) -> None:
    await client.create("frozen", FORBID)
    etag = (await client.rewrite("frozen", LAYERED)).etag

    answers = await asyncio.gather(
        *(client.activate("frozen", 1 + each % 2, etag) for each in range(8)),
        return_exceptions=True,
    )

    refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    (done,) = [each for each in answers if isinstance(each, pb.AuthorizationPolicy)]
    assert {reason_of(each) for each in refused} == {"ETAG_MISMATCH"}
    assert await active(client.suite) == {"frozen": done.text}


async def test_the_same_request_again_gets_the_first_answer(client: Client) -> None:
    request_id = str(uuid4())
    first = await client.create("frozen", FORBID, "why", request_id)
    await client.rewrite("frozen", LAYERED)
    await client.activate("frozen")

    assert await client.create("frozen", FORBID, "why", request_id) == first
    with fails_with("AUTHORIZATION_POLICY_ALREADY_EXISTS"):
        await client.create("frozen", FORBID)


async def test_a_policy_is_deleted_with_its_versions(client: Client) -> None:
    await client.create("frozen", FORBID)
    etag = (await client.activate("frozen")).etag
    stub, metadata = client.suite.authorization_policies, client.metadata

    with fails_with("ETAG_MISMATCH"):
        await stub.DeleteAuthorizationPolicy(
            pb.DeleteAuthorizationPolicyRequest(name=NAME, etag="1"), metadata=metadata
        )
    await stub.DeleteAuthorizationPolicy(
        pb.DeleteAuthorizationPolicyRequest(name=NAME, etag=etag), metadata=metadata
    )

    assert await active(client.suite) == {}
    with fails_with("AUTHORIZATION_POLICY_NOT_FOUND"):
        await client.activate("frozen")
    assert (await client.create("frozen", LAYERED)).latest_version == 1


async def test_the_trail_tells_what_was_done_and_no_text(client: Client) -> None:
    await client.create("frozen", FORBID, "secret reasons")
    await client.activate("frozen")

    request = audit_pb2.ListAuditEntriesRequest(filter=f'resource = "{NAME}"')
    trail = await client.suite.audit.ListAuditEntries(request, metadata=client.metadata)
    assert [each.event for each in trail.entries] == ["", "policy.activated"]
    async with client.suite.database.connect() as superuser:
        rows = await superuser.fetch("SELECT t::text FROM aeterna.authorization_policy_version t")
        assert not any("secret reasons" in row[0] for row in rows)


async def test_policies_are_paged(client: Client) -> None:
    for number in range(5):
        await client.create(f"p{number}", FORBID)
    request = pb.ListAuthorizationPoliciesRequest(page_size=2)
    stub, seen = client.suite.authorization_policies, []
    while True:
        page = await stub.ListAuthorizationPolicies(request, metadata=client.metadata)
        seen += [each.name.partition("/")[2] for each in page.authorization_policies]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [f"p{number}" for number in range(5)]


async def test_tenants_do_not_see_each_other(client: Client, suite: Suite) -> None:
    await client.create("frozen", FORBID)
    other = Client(suite, await suite.create_tenant("bolt"))

    with fails_with("AUTHORIZATION_POLICY_NOT_FOUND"):
        await other.activate("frozen")
    assert (await other.create("frozen", LAYERED)).text == LAYERED
    await other.activate("frozen")
    assert await active(suite) == {}
    assert await active(suite, "bolt") == {"frozen": LAYERED}


async def test_a_tenant_has_so_many_policies(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.governance.authorization.store.policies.MOST", 2)
    monkeypatch.setattr("services.governance.authorization.store.policies.MOST_TEXT", 100)
    await client.create("one", FORBID)
    await client.create("two", FORBID)
    with fails_with("LIMIT_REACHED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await client.create("three", FORBID)
    await client.activate("one")
    with fails_with("LIMIT_REACHED"):
        await client.activate("two")
