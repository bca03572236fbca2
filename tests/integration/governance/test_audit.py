"""The audit trail as those who write it and those who read it meet it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import change_pb2
from aeterna.governance.v1 import audit_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from libs.auth import Role
from libs.tenancy import TenantId
from tests.errors import fails_with
from tests.suite import Metadata, Suite


@dataclass(frozen=True)
class Client:
    """The audit service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def record(self, event: str = "export.started", **values: str) -> pb.AuditEntry:
        request = pb.RecordAuditEventRequest(event=event, **values)
        return await self.suite.audit.RecordAuditEvent(request, metadata=self.metadata)

    async def page(
        self, where: str = "", size: int = 1000, token: str = ""
    ) -> pb.ListAuditEntriesResponse:
        request = pb.ListAuditEntriesRequest(filter=where, page_size=size, page_token=token)
        return await self.suite.audit.ListAuditEntries(request, metadata=self.metadata)

    async def events(self, where: str = "") -> list[str]:
        """Of recorded events."""
        return [entry.event for entry in (await self.page(where)).entries if entry.event]

    async def verify(self) -> pb.VerifyAuditTrailResponse:
        request = pb.VerifyAuditTrailRequest()
        return await self.suite.audit.VerifyAuditTrail(request, metadata=self.metadata)


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_an_event_is_in_the_trail_with_who_and_when(client: Client) -> None:
    trace, request_id = uuid4().hex, str(uuid4())
    traced = Client(
        client.suite, (*client.metadata, ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"))
    )

    entry = await traced.record(
        "export.started", resource="exports/7 Ä", subject="user-7", request_id=request_id
    )

    assert entry.event == "export.started"
    assert entry.request_id == request_id
    assert entry.change.operation == change_pb2.OPERATION_RECORDED
    assert entry.change.resource == "exports/7 Ä"
    assert entry.change.subject == "user-7"
    assert entry.change.actor == "user:ann"
    assert entry.change.trace_id == trace
    assert (await client.page()).entries[-1] == entry


async def test_the_same_request_again_gets_the_first_entry(client: Client) -> None:
    request_id = str(uuid4())

    first, *others = await asyncio.gather(*(client.record(request_id=request_id) for _ in range(8)))

    assert others == [first] * 7
    assert await client.record(request_id=request_id) == first
    assert await client.events() == ["export.started"]


async def test_a_request_id_is_good_for_one_event(client: Client) -> None:
    request_id = str(uuid4())
    await client.record(request_id=request_id)

    with fails_with("REQUEST_ID_REUSED"):
        await client.record("login", request_id=request_id)

    assert await client.events() == ["export.started"]


async def test_a_refused_event_does_not_hurt_those_beside_it(client: Client) -> None:
    request_id = str(uuid4())
    await client.record("e0", request_id=request_id)

    outcomes = await asyncio.gather(
        *(client.record(f"e{place}") for place in range(1, 9)),
        client.record("other", request_id=request_id),
        return_exceptions=True,
    )

    entries = [each for each in outcomes if isinstance(each, pb.AuditEntry)]
    numbers = sorted(entry.change.number for entry in entries)
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    by_number = {entry.change.number: entry for entry in (await client.page()).entries}
    assert all(by_number[entry.change.number] == entry for entry in entries)
    assert "other" not in await client.events()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event", ""),
        ("event", "Login"),
        ("event", "a..b"),
        ("event", "a" * 129),
        ("resource", "x" * 257),
        ("resource", "ä" * 129),
        ("resource", "a\x00b"),
        ("subject", "x" * 257),
        ("subject", "a\nb"),
        ("request_id", "7"),
    ],
)
async def test_what_is_recorded_is_bounded(client: Client, field: str, value: str) -> None:
    with fails_with("INVALID_REQUEST", field, code=grpc.StatusCode.INVALID_ARGUMENT):
        await client.record(**{"event": "login", field: value})


async def test_any_text_is_chained_as_it_was_written(client: Client) -> None:
    for text in (
        '" \\ / \\u0041 \\',
        "Zoë 🦊 \u2028\u2029\u0085\ufeff",
        "%s {} $1 '; --",
        "x" * 256,
    ):
        entry = await client.record(resource=text, subject=text)
        assert (entry.change.resource, entry.change.subject) == (text, text)

    assert (await client.verify()).intact


async def test_only_writers_record_and_only_auditors_read(client: Client) -> None:
    auditors = {Role.TECH_LEAD, Role.ARCHITECT, Role.ADMIN, Role.TENANT_ADMIN, Role.PLATFORM_ADMIN}
    for role in Role:
        caller = Client(client.suite, client.suite.auth("acme", roles=[role]))
        await check(caller.record, allowed=role is not Role.VIEWER)
        await check(caller.page, allowed=role in auditors)
        await check(caller.verify, allowed=role in auditors)


async def check(call: Callable[[], Any], *, allowed: bool) -> None:
    if allowed:
        await call()
    else:
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await call()


async def test_a_trail_is_the_tenants_own(client: Client) -> None:
    other = Client(client.suite, await client.suite.create_tenant("bolt"))
    await client.record("mine")
    root = Client(client.suite, (*client.suite.platform_admin, ("x-aeterna-tenant", "acme")))

    assert await other.events() == []
    assert await root.events() == ["mine"]


async def test_a_trail_is_read_in_pages(client: Client) -> None:
    for place in range(7):
        await client.record(f"e{place}")
    everything = (await client.page()).entries

    found: list[pb.AuditEntry] = []
    token = ""
    while True:
        page = await client.page(size=3, token=token)
        assert len(page.entries) <= 3
        found += page.entries
        token = page.next_page_token
        if not token:
            break

    assert found == list(everything)
    assert [entry.change.number for entry in found] == list(range(1, 9))


async def test_a_token_is_good_for_the_same_filter_only(client: Client) -> None:
    await client.record()
    token = (await client.page(size=1)).next_page_token

    with fails_with("INVALID_REQUEST", "page_token"):
        await client.page('actor = "x"', size=1, token=token)


async def test_entries_are_filtered_by_what_they_say(client: Client) -> None:
    ben = Client(client.suite, client.suite.auth("acme", "ben"))
    await client.record("one", resource="r/1", subject="carl")
    middle = await ben.record("two", resource="r/1", subject="dora")
    await client.record("three", resource="r/2", subject="carl")
    moment = middle.change.commit_time.ToJsonString()

    for where, expected in {
        'actor = "user:ben"': ["two"],
        'actor != "user:ben"': ["one", "three"],
        'subject = "carl"': ["one", "three"],
        'resource = "r/1"': ["one", "two"],
        'resource = "r/1" AND subject = "carl"': ["one"],
        'operation = "recorded"': ["one", "two", "three"],
        'operation = "created"': [],
        f'commit_time >= "{moment}"': ["two", "three"],
        f'commit_time < "{moment}"': ["one"],
        'subject = "carl%"': [],
    }.items():
        assert await client.events(where) == expected, where
    (created,) = (await client.page('operation = "created"')).entries
    assert created.change.resource == "tenants/acme"


@pytest.mark.parametrize(
    "where", ['layer = "x"', "operation = sent", "number > 1", "actor", "hash"]
)
async def test_other_filters_are_refused(client: Client, where: str) -> None:
    with fails_with("INVALID_REQUEST", "filter"):
        await client.page(where)


async def test_writes_of_memories_are_in_the_trail(client: Client) -> None:
    suite, trace, request_id = client.suite, uuid4().hex, str(uuid4())
    token = suite.issuer.mint(
        TenantId("acme"),
        "ben",
        [Role.DEVELOPER],
        agent="planner",
        capabilities=["memory:write", "memory:delete"],
    )
    metadata = (
        ("authorization", f"Bearer {token}"),
        ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
    )
    memory = memory_pb2.Memory(layer=memory_pb2.LAYER_USER, content="secret words")
    memory.scope.user_id = "ben"
    create = memory_pb2.CreateMemoryRequest(memory=memory, request_id=request_id)

    created = await suite.memory.CreateMemory(create, metadata=metadata)
    delete = memory_pb2.DeleteMemoryRequest(name=created.name)
    await suite.memory.DeleteMemory(delete, metadata=metadata)

    first, second = (await client.page(f'resource = "{created.name}"')).entries
    assert first.change.operation == change_pb2.OPERATION_CREATED
    assert first.change.number == created.change_number
    assert first.change.actor == "agent:planner for user:ben"
    assert first.change.subject == "ben"
    assert first.change.layer == "user"
    assert first.change.trace_id == trace
    assert first.request_id == request_id
    assert second.change.operation == change_pb2.OPERATION_DELETED
    assert "secret" not in str(await client.page())
    assert (await client.verify()).intact


async def test_writes_of_knowledge_are_in_the_trail(client: Client) -> None:
    trace, request_id = uuid4().hex, str(uuid4())
    metadata = (*client.metadata, ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"))
    item = knowledge_pb2.KnowledgeItem(
        kind=knowledge_pb2.KNOWLEDGE_KIND_ADR,
        layer=knowledge_pb2.KNOWLEDGE_LAYER_COMPANY,
        title="secret title",
        content="secret words",
    )
    request = knowledge_pb2.CreateKnowledgeItemRequest(knowledge_item=item, request_id=request_id)

    created = await client.suite.knowledge.CreateKnowledgeItem(request, metadata=metadata)

    (entry,) = (await client.page(f'resource = "{created.name}"')).entries
    assert entry.change.operation == change_pb2.OPERATION_CREATED
    assert entry.change.number == created.change_number
    assert entry.change.actor == "user:ann"
    assert entry.change.trace_id == trace
    assert entry.request_id == request_id
    assert "secret" not in str(await client.page())
    assert (await client.verify()).intact
