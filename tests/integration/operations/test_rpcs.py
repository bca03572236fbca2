"""`google.longrunning.Operations` as a client of the memory service meets it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.longrunning import operations_pb2 as pb
from google.longrunning import operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from aeterna.common.v1 import operation_pb2
from aeterna.memory.v1 import maintenance_pb2, memory_pb2
from libs.aip.ids import Uuid7
from libs.auth import Role
from libs.changes import Asked, Origin
from libs.metrics import REQUESTS_OPEN
from libs.operations.store import Operations
from libs.service.platform import open_platform
from libs.tenancy import TenantId
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.suite import Metadata, Suite, open_suite

NOBODY = "operations/00000000-0000-7000-8000-000000000000"


async def reindex(suite: Suite, metadata: Metadata, request_id: str = "") -> Any:
    request = maintenance_pb2.ReindexMemoriesRequest(request_id=request_id)
    return await suite.memory_maintenance.ReindexMemories(request, metadata=metadata)


async def wait(suite: Suite, metadata: Metadata, name: str, seconds: int = 30) -> Any:
    request = pb.WaitOperationRequest(name=name, timeout=Duration(seconds=seconds))
    return await suite.operations.WaitOperation(request, metadata=metadata)


async def names(suite: Suite, metadata: Metadata, **values: Any) -> list[str]:
    request = pb.ListOperationsRequest(**values)
    answer = await suite.operations.ListOperations(request, metadata=metadata)
    return [each.name for each in answer.operations]


async def remember(suite: Suite, metadata: Metadata, *contents: str) -> None:
    for content in contents:
        memory = memory_pb2.Memory(content=content, layer=memory_pb2.LAYER_COMPANY)
        request = memory_pb2.CreateMemoryRequest(memory=memory)
        await suite.memory.CreateMemory(request, metadata=metadata)


def metadata_of(operation: Any) -> operation_pb2.OperationMetadata:
    metadata = operation_pb2.OperationMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata


async def test_an_operation_is_begun_waited_for_and_answers(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    await remember(suite, acme, "a fox", "a dog", "a cat")

    begun = await reindex(suite, acme)
    ended = await wait(suite, acme, begun.name)

    assert (ended.name, ended.done) == (begun.name, True)
    response = maintenance_pb2.ReindexMemoriesResponse()
    assert ended.response.Unpack(response)
    assert response.memories == 3
    metadata = metadata_of(ended)
    assert (metadata.kind, metadata.done, metadata.total) == ("ReindexMemories", 3, 3)
    assert metadata.state == operation_pb2.OPERATION_STATE_SUCCEEDED
    assert metadata.actor == "user:ann"
    times = [metadata.create_time, metadata.start_time, metadata.end_time]
    assert sorted(times, key=lambda each: each.ToNanoseconds()) == times
    get = pb.GetOperationRequest(name=begun.name)
    assert await suite.operations.GetOperation(get, metadata=acme) == ended


async def test_an_empty_tenant_is_done_at_once(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")

    ended = await wait(suite, acme, (await reindex(suite, acme)).name)

    assert metadata_of(ended).state == operation_pb2.OPERATION_STATE_SUCCEEDED


async def test_a_repeat_gets_the_operation_that_it_began(suite: Suite) -> None:
    acme, request_id = await suite.create_tenant("acme"), str(uuid4())
    begun = await reindex(suite, acme, request_id)
    ended = await wait(suite, acme, begun.name)

    assert await reindex(suite, acme, request_id) == ended


async def test_operations_are_listed_newest_first_in_pages(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    begun = []
    for _ in range(3):
        begun.append((await reindex(suite, acme)).name)
        await wait(suite, acme, begun[-1])

    request = pb.ListOperationsRequest(name="operations", page_size=2)
    first = await suite.operations.ListOperations(request, metadata=acme)
    request.page_token = first.next_page_token
    second = await suite.operations.ListOperations(request, metadata=acme)

    shown = [each.name for each in (*first.operations, *second.operations)]
    assert shown == begun[::-1]
    assert not second.next_page_token
    assert await names(suite, acme, filter='state = "succeeded"') == begun[::-1]
    assert await names(suite, acme, filter='state = "failed"') == []


async def test_what_has_ended_can_be_forgotten(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    begun = await reindex(suite, acme)
    await wait(suite, acme, begun.name)

    delete = pb.DeleteOperationRequest(name=begun.name)
    await suite.operations.DeleteOperation(delete, metadata=acme)

    assert await names(suite, acme) == []
    with fails_with("OPERATION_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await suite.operations.DeleteOperation(delete, metadata=acme)


async def test_cancelling_what_has_ended_changes_nothing(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    ended = await wait(suite, acme, (await reindex(suite, acme)).name)

    cancel = pb.CancelOperationRequest(name=ended.name)
    await suite.operations.CancelOperation(cancel, metadata=acme)

    assert await wait(suite, acme, ended.name) == ended


def methods(suite: Suite, name: str) -> list[tuple[Callable[..., Any], Any]]:
    stub = suite.operations
    return [
        (stub.GetOperation, pb.GetOperationRequest(name=name)),
        (stub.WaitOperation, pb.WaitOperationRequest(name=name)),
        (stub.CancelOperation, pb.CancelOperationRequest(name=name)),
        (stub.DeleteOperation, pb.DeleteOperationRequest(name=name)),
    ]


async def test_tenants_see_their_own_only(suite: Suite) -> None:
    acme, bolt = await suite.create_tenant("acme"), await suite.create_tenant("bolt")
    begun = await reindex(suite, acme)
    await wait(suite, acme, begun.name)

    assert await names(suite, bolt) == []
    for method, request in methods(suite, begun.name):
        with fails_with("OPERATION_NOT_FOUND"):
            await method(request, metadata=bolt)


async def test_names_that_are_none_are_refused(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    for method, request in methods(suite, "operations/x"):
        with fails_with("INVALID_REQUEST", "name"):
            await method(request, metadata=acme)
    with fails_with("INVALID_REQUEST", "name"):
        await names(suite, acme, name="others")
    with fails_with("INVALID_REQUEST", "filter"):
        await names(suite, acme, filter="size > 3")


@pytest.mark.parametrize("seconds", [-1, 301])
async def test_nobody_waits_backwards_or_for_ever(suite: Suite, seconds: int) -> None:
    acme = await suite.create_tenant("acme")
    with fails_with("INVALID_REQUEST", "timeout"):
        await wait(suite, acme, NOBODY, seconds)


async def test_only_administrators_begin_cancel_and_forget(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    developer = suite.auth("acme", "bob", (Role.DEVELOPER,))
    begun = await reindex(suite, acme)
    await wait(suite, developer, begun.name)

    with fails_with("PERMISSION_DENIED"):
        await reindex(suite, developer)
    for method, request in methods(suite, begun.name)[2:]:
        with fails_with("PERMISSION_DENIED"):
            await method(request, metadata=developer)


async def test_nobody_calls_it_without_a_token(suite: Suite) -> None:
    for method, request in methods(suite, NOBODY):
        with fails_with("TOKEN_MISSING", code=grpc.StatusCode.UNAUTHENTICATED):
            await method(request)


async def pending(suite: Suite, tenant: str) -> str:
    """An operation that nobody takes: this release has no handler for it."""
    async with open_platform(suite.platform) as platform:
        route = await platform.directory.route(TenantId(tenant))
        operations = Operations(platform.wakeups, Uuid7())
        begun = await operations.begin(route, Asked(Origin("ann"), None), "Unknown", {})
    return f"operations/{begun.id}"


async def test_a_wait_ends_when_its_time_is_over(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")

    waited = await wait(suite, acme, await pending(suite, "acme"), seconds=0)

    assert not waited.done
    assert metadata_of(waited).state == operation_pb2.OPERATION_STATE_PENDING


async def test_a_wait_ends_when_its_server_stops(database: Database, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        suite = await stack.enter_async_context(open_suite(database, tmp_path))
        acme = await suite.create_tenant("acme")
        request = pb.WaitOperationRequest(name=await pending(suite, "acme"))
        async with grpc.aio.insecure_channel(suite.addresses.memory) as channel:
            call = operations_pb2_grpc.OperationsStub(channel).WaitOperation
            waiting = asyncio.ensure_future(call(request, metadata=acme))
            await eventually(is_under_way)

            stopping = asyncio.create_task(stack.aclose())

            assert not (await waiting).done
            await stopping


async def is_under_way() -> bool:
    """Whether the memory service has a call that has not ended."""
    return bool(REQUESTS_OPEN.labels("memory")._value.get() > 0)
