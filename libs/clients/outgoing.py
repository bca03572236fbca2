"""What goes with every call: who asks, for which tenant, in which trace, under which request id."""

from __future__ import annotations  # gRPC's calls are generic in their stubs only

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from libs.tracing import Metadata, client_span

TENANT_HEADER = "x-aeterna-tenant"
_SECONDS = 30.0  # for a call that ends with one answer

Details = grpc.aio.ClientCallDetails
Next = Callable[..., Any]  # continues with (details, request or requests)


@dataclass(frozen=True)
class Outgoing:
    """One caller."""

    token: Callable[[], str]
    tenant: str

    def interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """One for each shape of call: gRPC runs an interceptor for the first shape it has only."""
        return [_Unary(self), _Answers(self), _Dialogue(self)]

    def details(self, call: Details, trace: Metadata, seconds: float | None) -> Details:
        """The call with its metadata, and a timeout unless it has one."""
        own = [("authorization", f"Bearer {self.token()}"), *trace]
        if self.tenant:
            own.append((TENANT_HEADER, self.tenant))
        metadata = grpc.aio.Metadata(*(call.metadata or ()), *own)
        timeout = seconds if call.timeout is None else call.timeout
        return grpc.aio.ClientCallDetails(
            call.method, timeout, metadata, call.credentials, call.wait_for_ready
        )


@dataclass(frozen=True)
class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    caller: Outgoing

    async def intercept_unary_unary(
        self, continuation: Next, client_call_details: Details, request: Any
    ) -> Any:
        with client_span(_name(client_call_details)) as trace:
            details = self.caller.details(client_call_details, trace, _SECONDS)
            request = with_request_id(request)
            call = await continuation(details, request)
            if not await _cancelled_there(call):
                return call
            call = await continuation(details, request)
            await call
            return call


@dataclass(frozen=True)
class _Answers(grpc.aio.UnaryStreamClientInterceptor):
    caller: Outgoing

    async def intercept_unary_stream(
        self, continuation: Next, client_call_details: Details, request: Any
    ) -> Any:
        with client_span(_name(client_call_details)) as trace:
            return await continuation(
                self.caller.details(client_call_details, trace, None), request
            )


@dataclass(frozen=True)
class _Dialogue(grpc.aio.StreamStreamClientInterceptor):
    caller: Outgoing

    async def intercept_stream_stream(
        self, continuation: Next, client_call_details: Details, request_iterator: Any
    ) -> Any:
        with client_span(_name(client_call_details)) as trace:
            details = self.caller.details(client_call_details, trace, None)
            return await continuation(details, _each_with_request_id(request_iterator))


def with_request_id(request: Message) -> Message:
    """The request itself, or a copy with a fresh id where it has room for one and none is set."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or getattr(request, "request_id"):  # noqa: B009 - Message has no such attribute
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    setattr(copy, "request_id", str(uuid4()))  # noqa: B010 - as above
    return copy


async def _each_with_request_id(requests: Any) -> AsyncIterator[Message]:
    if hasattr(requests, "__aiter__"):
        async for request in requests:
            yield with_request_id(request)
    else:
        for request in requests:
            yield with_request_id(request)


async def _cancelled_there(call: Any) -> bool:
    """Waits for the call, so that its span is as long and a cancellation of ours reaches it.

    True when the server cancelled it: it stopped the moment the call came in. gRPC retries other
    ends of a server by itself; this one it may not, since it cannot tell whose wish it was.
    """
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.CANCELLED:
            raise
        return True
    return False


def _name(call: Details) -> str:
    method: str | bytes = call.method
    return (method.decode() if isinstance(method, bytes) else method).lstrip("/")
