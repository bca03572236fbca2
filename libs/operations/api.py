"""`google.longrunning.Operations` over the store: translates, nothing else."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from google.longrunning import operations_pb2 as pb
from google.longrunning import operations_pb2_grpc as pb_grpc
from google.protobuf import empty_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from aeterna.common.v1 import operation_pb2
from libs.aip.filtering import Field, Kind, parse
from libs.aip.names import resource_uuid
from libs.aip.paging import Page
from libs.errors import invalid
from libs.operations import COLLECTION, Handler, Operation, OperationId, State
from libs.operations.store import Operations
from libs.service.caller import caller
from libs.service.convert import timestamp
from libs.service.pipeline import Context
from libs.service.server import Registration
from libs.tenancy import Route
from libs.wakeups import Wakeups

SERVICE = "google.longrunning.Operations"
_FILTER = {
    "kind": Field("kind", Kind.TEXT),
    "state": Field("state", Kind.ENUM, {each.value: each.value for each in State}),
    "actor": Field("actor", Kind.TEXT),
    "create_time": Field("created_at", Kind.TIME),
}
_LONGEST_WAIT = 300.0  # seconds
_LOOK = 1.0  # seconds: a wake-up may be lost
_PACE = 0.1  # seconds between looks, however often the tenant changes


class OperationsServicer(pb_grpc.OperationsServicer):  # type: ignore[misc]  # has no types
    """The operations of the caller's tenant; administrators cancel and delete them."""

    def __init__(
        self, operations: Operations, wakeups: Wakeups, handlers: Sequence[Handler]
    ) -> None:
        self._operations, self._wakeups = operations, wakeups
        self._responses = {each.kind: each.response for each in handlers}
        self._stopping = asyncio.Event()

    @property
    def registration(self) -> Registration:
        """What adds it to a server; waiting calls are answered when the server is to stop."""
        add = partial(pb_grpc.add_OperationsServicer_to_server, self)
        return Registration(SERVICE, add, stopping=self._stopping.set)

    def message(self, operation: Operation) -> pb.Operation:
        """As clients see it; what begins an operation answers with this, too."""
        message = pb.Operation(name=f"{COLLECTION}/{operation.id}", done=operation.state.final)
        message.metadata.Pack(_metadata(operation))
        if operation.state is State.SUCCEEDED:
            message.response.Pack(self._response(operation))
        elif operation.state.final:
            ParseDict(dict(operation.error or {}), message.error)
        return message

    async def ListOperations(
        self, request: pb.ListOperationsRequest, context: Context
    ) -> pb.ListOperationsResponse:
        if request.name not in ("", COLLECTION):
            raise invalid("name", f"must be {COLLECTION}")
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListOperations/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._operations.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda operation: operation.id)
        return pb.ListOperationsResponse(operations=map(self.message, shown), next_page_token=token)

    async def GetOperation(self, request: pb.GetOperationRequest, context: Context) -> pb.Operation:
        return self.message(await self._operations.get(caller().route, _id(request.name)))

    async def CancelOperation(
        self, request: pb.CancelOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        await self._operations.cancel(current.route, current.origin, _id(request.name))
        return empty_pb2.Empty()

    async def DeleteOperation(
        self, request: pb.DeleteOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        await self._operations.delete(current.route, current.origin, _id(request.name))
        return empty_pb2.Empty()

    async def WaitOperation(
        self, request: pb.WaitOperationRequest, context: Context
    ) -> pb.Operation:
        given = request.HasField("timeout")
        seconds = _seconds(request.timeout) if given else _LONGEST_WAIT
        return self.message(await self._wait(caller().route, _id(request.name), seconds))

    async def _wait(self, route: Route, operation: OperationId, seconds: float) -> Operation:
        """The operation once it has ended, or as it is after so long, or when the server stops."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self._wakeups.watch(route.tenant) as watch:
            while True:
                current = await self._operations.get(route, operation)
                left = until - loop.time()
                if current.state.final or left <= 0 or self._stopping.is_set():
                    return current
                await asyncio.sleep(min(left, _PACE))
                await watch.wait(min(left, _LOOK) - _PACE)

    def _response(self, operation: Operation) -> Message:
        """Of a kind that this release does not know: its fields."""
        kind: Any = self._responses.get(operation.kind, Struct)
        message: Message = ParseDict(dict(operation.progress.result), kind())
        return message


def _id(name: str) -> OperationId:
    return OperationId(resource_uuid(name, COLLECTION))


def _seconds(duration: Duration) -> float:
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise invalid("timeout", f"must be 0 to {_LONGEST_WAIT:.0f} seconds")
    return seconds


def _metadata(operation: Operation) -> operation_pb2.OperationMetadata:
    times: Mapping[str, Any] = {
        "create_time": operation.created_at,
        "start_time": operation.started_at,
        "update_time": operation.updated_at,
        "end_time": operation.ended_at,
    }
    return operation_pb2.OperationMetadata(
        kind=operation.kind,
        state=operation_pb2.OperationState.Value(f"OPERATION_STATE_{operation.state.name}"),
        done=operation.progress.done,
        total=operation.progress.total,
        cancel_requested=operation.cancel_requested,
        failures=operation.failures,
        actor=operation.actor,
        **{name: timestamp(moment) for name, moment in times.items() if moment},
    )
