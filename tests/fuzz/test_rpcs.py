"""Every RPC with malformed, oversized, hostile messages: refused precisely, nothing written."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeterna.governance.v1 import (
    access_pb2,
    agents_pb2,
    alerts_pb2,
    anomalies_pb2,
    approvals_pb2,
    audit_pb2,
    authorization_policies_pb2,
    budgets_pb2,
    consent_pb2,
    constraints_pb2,
    costs_pb2,
    erasure_pb2,
    export_pb2,
    keys_pb2,
    roles_pb2,
    tenants_pb2,
)
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import maintenance_pb2, memory_pb2, settings_pb2
from aeterna.sync.v1 import documents_pb2, live_pb2, sync_pb2
from libs.auth import Role
from tests.errors import reason_of
from tests.eventually import eventually
from tests.fuzz.messages import garbage, messages
from tests.suite import Metadata, Suite

_SERVICES = {
    "memory": [
        memory_pb2.DESCRIPTOR,
        settings_pb2.DESCRIPTOR,
        maintenance_pb2.DESCRIPTOR,
        operations_pb2.DESCRIPTOR,
    ],
    "knowledge": [knowledge_pb2.DESCRIPTOR],
    "governance": [
        tenants_pb2.DESCRIPTOR,
        audit_pb2.DESCRIPTOR,
        costs_pb2.DESCRIPTOR,
        budgets_pb2.DESCRIPTOR,
        alerts_pb2.DESCRIPTOR,
        keys_pb2.DESCRIPTOR,
        roles_pb2.DESCRIPTOR,
        agents_pb2.DESCRIPTOR,
        authorization_policies_pb2.DESCRIPTOR,
        access_pb2.DESCRIPTOR,
        erasure_pb2.DESCRIPTOR,
        consent_pb2.DESCRIPTOR,
        export_pb2.DESCRIPTOR,
        constraints_pb2.DESCRIPTOR,
        approvals_pb2.DESCRIPTOR,
        anomalies_pb2.DESCRIPTOR,
    ],
    "sync": [sync_pb2.DESCRIPTOR, live_pb2.DESCRIPTOR, documents_pb2.DESCRIPTOR],
}
_METHODS = [
    (name, method)
    for name, files in _SERVICES.items()
    for file in files
    for service in file.services_by_name.values()
    for method in service.methods
]


def rpcs() -> list[tuple[str, MethodDescriptor]]:
    """Every method of every service, with the name of the service's server."""
    return _METHODS


METHODS = [pytest.param(*each, id=each[1].name) for each in _METHODS]
ROLES = (Role.TENANT_ADMIN, Role.PLATFORM_ADMIN)
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.ABORTED,
}
_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# An operation ends in its own time, not with the call that began it.
_CHANGES = """(
    SELECT count(*) FROM aeterna.change
    WHERE tenant_id = $1 AND NOT (resource LIKE 'operations/%' AND operation = 'updated')
)"""
_SAGAS = ("EraseSubject", "ExportSubject")  # whose operations write as they go on
_STREAM_SECONDS = 0.5  # a subscription never ends by itself


class Target:
    """One RPC of the running suite, called with raw bytes as a tenant of its own."""

    def __init__(self, suite: Suite, runner: asyncio.Runner, service: str, method: Any) -> None:
        self._runner, self._method = runner, method
        self._channel = suite.channels[service]
        self.tenant = f"f{uuid4().hex[:12]}"
        runner.run(suite.create_tenant(self.tenant))
        self._metadata: Metadata = suite.auth(self.tenant, "ann", ROLES)
        self._superuser = runner.run(_connect(suite))

    def close(self) -> None:
        """Ends the connection that looks at the tables."""
        self._runner.run(self._superuser.close())

    def send(self, data: bytes, seconds: float = _STREAM_SECONDS) -> grpc.aio.AioRpcError | None:
        """Calls; the error if it is refused. A refusal is precise and has written nothing."""
        if self._method.name in _SAGAS:
            self._runner.run(eventually(self._settled))
        before = self._runner.run(self._written())
        error = self._runner.run(self.call(data, seconds))
        if error is not None:
            assert error.code() in _REFUSALS, error
            assert reason_of(error).isupper()
            assert self._runner.run(self._written()) == before
        return error

    async def call(
        self, data: bytes, seconds: float = _STREAM_SECONDS
    ) -> grpc.aio.AioRpcError | None:
        path = f"/{self._method.containing_service.full_name}/{self._method.name}"
        streams = self._method.client_streaming, self._method.server_streaming
        makers: dict[tuple[bool, bool], Any] = {
            (False, False): self._channel.unary_unary,
            (False, True): self._channel.unary_stream,
            (True, True): self._channel.stream_stream,
        }
        request: Any = iter([data]) if streams[0] else data
        call = makers[streams](path)(request, metadata=self._metadata, timeout=30)
        try:
            if streams[1]:
                await self._drain(call, seconds)
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error
        return None

    async def _drain(self, call: Any, seconds: float) -> None:
        """Reads what comes, for a moment."""
        try:
            async with asyncio.timeout(seconds):
                while await call.read() is not grpc.aio.EOF:
                    pass
        except TimeoutError:
            call.cancel()

    async def _settled(self) -> bool:
        """Whether nothing goes on that an earlier call began."""
        sql = "SELECT count(*) FROM aeterna.operation WHERE tenant_id = $1 AND due_at IS NOT NULL"
        return bool(await self._superuser.fetchval(sql, self.tenant) == 0)

    async def _written(self) -> tuple[int, ...]:
        tables = (
            "request",
            "memory",
            "memory_version",
            "memory_feedback",
            "memory_settings",
            "operation",
            "knowledge_item",
            "budget",
            "budget_reservation",
            "alert",
            "webhook",
            "webhook_delivery",
            "role_binding",
            "agent",
            "suspended_user",
            "authorization_policy",
            "authorization_policy_version",
            "consent",
            "consent_event",
            "consent_policy",
            "erased_subject",
            "constraint_policy",
            "approval_request",
            "approval_decision",
            "approval_counter",
            "approval_delegation",
            "approval_config",
            "drift_report",
            "drift_suppression",
            "shared_document",
            "shared_document_edit",
            "shared_document_snapshot",
        )
        counts = ", ".join(
            f"(SELECT count(*) FROM aeterna.{each} WHERE tenant_id = $1)" for each in tables
        )
        tenants = "(SELECT count(*) FROM control.tenant)"
        row = await self._superuser.fetchrow(f"SELECT {counts}, {tenants}, {_CHANGES}", self.tenant)
        assert row is not None
        return tuple(row)


async def _connect(suite: Suite) -> asyncpg.Connection:
    return await asyncpg.connect(suite.database.superuser)


@pytest.fixture
def target(
    shared_suite: Suite, runner: asyncio.Runner, service: str, method: MethodDescriptor
) -> Iterator[Target]:
    target = Target(shared_suite, runner, service, method)
    yield target
    target.close()


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_hostile_messages(target: Target, method: MethodDescriptor) -> None:
    @_SETTINGS
    @given(messages(method.input_type))
    def send(message: Any) -> None:
        target.send(message.SerializeToString())

    send()


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_bytes_that_are_no_message(target: Target, method: MethodDescriptor) -> None:
    @_SETTINGS
    @given(garbage(method.input_type))
    def send(data: bytes) -> None:
        target.send(data)

    send()
    broken = target.send(b"\x0a\xff\xff\xff\xff\x0f", seconds=30)  # a length beyond the end
    assert method.client_streaming or broken is not None


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_an_oversized_message_is_refused(target: Target, runner: asyncio.Runner) -> None:
    # An unknown field of five megabytes: above the limit of the server.
    size = 5 * 1024 * 1024
    data = b"\xfa\x3f" + b"\x80\x80\xc0\x02" + b"x" * size

    error = runner.run(target.call(data, seconds=30))

    assert error is not None
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_every_method_is_fuzzed() -> None:
    protos = (Path(__file__).parents[2] / "protos" / "aeterna").rglob("*.proto")
    declared = [
        name for file in protos for name in re.findall(r"^  rpc (\w+)", file.read_text(), re.M)
    ]
    declared += operations_pb2.DESCRIPTOR.services_by_name["Operations"].methods_by_name
    assert sorted(declared) == sorted(method.name for _, method in _METHODS)


HOSTILE_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["authorization", "x-aeterna-tenant", "traceparent", "tracestate"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300),
    ),
    max_size=4,
)


def test_hostile_headers(shared_suite: Suite, runner: asyncio.Runner) -> None:
    allowed = {grpc.StatusCode.UNAUTHENTICATED, *_REFUSALS}

    async def call(metadata: list[tuple[str, str]]) -> grpc.StatusCode:
        request = memory_pb2.ListMemoriesRequest()
        try:
            await shared_suite.memory.ListMemories(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    @_SETTINGS
    @given(HOSTILE_HEADERS)
    def send(metadata: list[tuple[str, str]]) -> None:
        assert runner.run(call(metadata)) in allowed

    send()
