"""What every call passes: trace, metrics, authentication, tenant, rate, authorization, validation,
errors. Knows no service.

One interceptor wraps each method once; the steps are plain functions, in the order in which they
read.
"""

from __future__ import annotations  # gRPC's handlers are generic in their stubs only

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from libs.encryption.keyring import Keyring
from libs.errors import AppError, Kind
from libs.service.admission import TENANT_HEADER, Admission, authorize
from libs.service.caller import bind, bound
from libs.service.checking import Checker, Malformed
from libs.service.errors import abort, code_of, expected
from libs.service.observe import Observed, Outcome
from libs.spine import KeyChangedMeanwhile
from libs.tenancy import TenantId, TenantMoved
from libs.tenancy.directory import Directory
from libs.traffic import Traffic

_OPEN = ("/grpc.health.", "/grpc.reflection.")  # to all: what is called tells nothing of tenants

_FAILURES = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.DATA_LOSS,
    }
)

Context = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Any]


class TokenMissing(AppError):
    """No bearer token came with the call."""

    kind, reason = Kind.UNAUTHENTICATED, "TOKEN_MISSING"

    def __init__(self) -> None:
        super().__init__("Send the metadata `authorization: Bearer <token>`.")


class SlowConsumer(AppError):
    """The client did not take a message of a stream in time."""

    kind, reason = Kind.EXHAUSTED, "SLOW_CONSUMER"

    def __init__(self, **metadata: str) -> None:
        super().__init__("Messages were not read in time; resume where they ended.", **metadata)


class Pipeline(grpc.aio.ServerInterceptor):
    """Wraps every method of the suite. `unrouted` services are not about the caller's own
    tenant."""

    def __init__(
        self,
        service: str,
        admission: Admission,
        directory: Directory,
        keyring: Keyring,
        write_timeout: timedelta,
        traffic: Traffic,
        methods: Mapping[str, str],
        unrouted: frozenset[str],
        lenient: frozenset[str],
    ) -> None:
        """
        Args:
            methods: The action of each, by path.
            lenient: Paths of methods that answer themselves what is wrong in a message.
        """
        self._service, self._admission, self._unrouted = service, admission, unrouted
        self._actions, self._traffic, self._lenient = methods, traffic, lenient
        self._write_seconds = write_timeout.total_seconds()
        self._directory, self._keyring = directory, keyring
        self._checker = Checker()
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The wrapped handler of a method, made when it is first called."""
        method = handler_call_details.method
        if method in self._handlers:
            return self._handlers[method]
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(_OPEN):
            return handler
        self._handlers[method] = self._wrap(method, handler)
        return self._handlers[method]

    def _wrap(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        make, behaviour = _shape(handler)
        run = self._stream if handler.response_streaming else self._unary
        parse = handler.request_deserializer
        assert parse is not None  # generated code gives both
        assert behaviour is not None
        wrapped: grpc.RpcMethodHandler[Any, Any] = make(
            run(method, behaviour),
            request_deserializer=_lenient(parse),
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _unary(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def call(request: Any, context: Context) -> Any:
            with Observed(self._service, method, _metadata(context), self._count) as outcome:
                try:
                    await self._admit(method, context)
                    return await behaviour(self._checked(method, request), context)
                except Exception as exc:
                    await self._refuse(context, exc, outcome)

        return call

    def _count(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call of a tenant; what the caller did wrong is no failure."""
        current = bound()
        if current and current.resolved:
            self._traffic.count(current.tenant, seconds, failed=code in _FAILURES)

    def _stream(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def call(request: Any, context: Context) -> None:
            with Observed(self._service, method, _metadata(context)) as outcome:
                try:
                    await self._admit(method, context)
                    await self._write(behaviour(self._checked(method, request), context), context)
                except Exception as exc:
                    await self._refuse(context, exc, outcome)

        return call

    async def _write(self, responses: AsyncGenerator[Any, None], context: Context) -> None:
        """Sends what a method yields. Whatever ends the call also ends the method, in this task.

        A method that can say more about a SlowConsumer catches it at its `yield`.
        """
        async with aclosing(responses):
            async for response in responses:
                try:
                    async with asyncio.timeout(self._write_seconds):
                        await context.write(response)
                except TimeoutError:
                    slow = SlowConsumer()
                    await responses.athrow(slow)
                    raise slow from None

    async def _admit(self, method: str, context: Context) -> None:
        """Authenticates the caller, resolves the tenant, binds both to this call, and asks the
        policies."""
        metadata = dict(_metadata(context))
        named = metadata.get(TENANT_HEADER)
        current = await self._admission.caller(
            _token(metadata),
            None if named is None else str(named),
            self._actions[method],
            routed=method[1:].partition("/")[0] not in self._unrouted,
        )
        bind(current)
        structlog.contextvars.bind_contextvars(tenant=current.tenant)
        authorize(current, self._actions[method])

    def _checked(self, method: str, request: Any) -> Any:
        """The request, or for a stream each of its messages, once it keeps the contract's rules."""
        if isinstance(request, Message | Malformed):
            return self._checker.checked(request)
        return request if method in self._lenient else self._checked_stream(request)

    async def _checked_stream(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._checker.checked(request)

    async def _refuse(self, context: Context, exc: Exception, outcome: Outcome) -> None:
        error = expected(exc)
        if isinstance(error, TenantMoved):
            self._directory.forget(TenantId(error.metadata["tenant"]))
        if isinstance(error, KeyChangedMeanwhile):
            self._keyring.invalidate(error.metadata["tenant"])  # a repeat seals with what there is
        outcome.code = code_of(error)
        await abort(context, error)


def _shape(handler: grpc.RpcMethodHandler[Any, Any]) -> tuple[Any, Any]:
    """What makes a handler of the same streaming kind, and the behaviour of this one."""
    match bool(handler.request_streaming), bool(handler.response_streaming):
        case False, False:
            return grpc.unary_unary_rpc_method_handler, handler.unary_unary
        case False, True:
            return grpc.unary_stream_rpc_method_handler, handler.unary_stream
        case True, False:
            return grpc.stream_unary_rpc_method_handler, handler.stream_unary
        case _:
            return grpc.stream_stream_rpc_method_handler, handler.stream_stream


def _lenient(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Garbage is answered with INVALID_ARGUMENT by the pipeline; gRPC itself would say INTERNAL."""

    def deserialize(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return Malformed(size=len(data))

    return deserialize


def _token(metadata: dict[str, str | bytes]) -> str:
    scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token


def _metadata(context: Context) -> list[tuple[str, str | bytes]]:
    return [(key, value) for key, value in context.invocation_metadata() or ()]
