"""gRPC servicer of what is done to all memories: begins operations, nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from aeterna.memory.v1 import maintenance_pb2 as pb
from aeterna.memory.v1 import maintenance_pb2_grpc as pb_grpc
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.operations import Fields, Operation
from libs.operations.api import OperationsServicer
from libs.operations.asking import asking
from libs.operations.store import Operations
from libs.service.caller import Caller, caller
from libs.service.convert import asked
from libs.service.pipeline import Context
from services.memory.maintenance.optimize import KIND as OPTIMIZE
from services.memory.maintenance.prune import KIND as PRUNE
from services.memory.maintenance.reindex import KIND as REINDEX

_Age = Literal["archived_for", "invalid_for"]


class MemoryMaintenanceServicer(pb_grpc.MemoryMaintenanceServiceServicer):
    """`aeterna.memory.v1.MemoryMaintenanceService` over the operations."""

    def __init__(
        self,
        operations: Operations,
        shown: OperationsServicer,
        keyring: Keyring,
        now: Callable[[], datetime],
    ) -> None:
        self._operations, self._shown, self._keyring = operations, shown, keyring
        self._now = now

    async def ReindexMemories(
        self, request: pb.ReindexMemoriesRequest, context: Context
    ) -> operations_pb2.Operation:
        return await self._begin(caller(), REINDEX, request, {})

    async def OptimizeMemories(
        self, request: pb.OptimizeMemoriesRequest, context: Context
    ) -> operations_pb2.Operation:
        parameters = {"validate_only": request.validate_only}
        return await self._begin(caller(), OPTIMIZE, request, parameters)

    async def PruneMemories(
        self, request: pb.PruneMemoriesRequest, context: Context
    ) -> operations_pb2.Operation:
        current = caller()
        if not (request.HasField("archived_for") or request.HasField("invalid_for")):
            raise invalid("archived_for", "is required unless invalid_for is given")
        parameters = {
            "validate_only": request.validate_only,
            "archived_before": self._before(request, "archived_for"),
            "invalid_before": self._before(request, "invalid_for"),
        }
        return await self._begin(current, PRUNE, request, parameters)

    async def _begin(
        self, current: Caller, kind: str, request: Message, parameters: Fields
    ) -> operations_pb2.Operation:
        by = await asked(current, self._keyring, kind, request)
        parameters = {**parameters, **asking(by.origin)}
        begun: Operation = await self._operations.begin(current.route, by, kind, parameters)
        return self._shown.message(begun)

    def _before(self, request: pb.PruneMemoriesRequest, name: _Age) -> str | None:
        """The time before which something is as old as that."""
        if not request.HasField(name):
            return None
        age: timedelta = getattr(request, name).ToTimedelta()
        return (self._now() - age).isoformat()
