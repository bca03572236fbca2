"""gRPC servicer of what is done to all memories: begins operations, nothing else."""

from google.longrunning import operations_pb2

from aeterna.memory.v1 import maintenance_pb2 as pb
from aeterna.memory.v1 import maintenance_pb2_grpc as pb_grpc
from libs.encryption.keyring import Keyring
from libs.operations import Operation
from libs.operations.api import OperationsServicer
from libs.operations.store import Operations
from libs.service.caller import ADMINISTRATORS, caller
from libs.service.convert import asked
from libs.service.pipeline import Context
from services.memory.maintenance.reindex import KIND


class MemoryMaintenanceServicer(pb_grpc.MemoryMaintenanceServiceServicer):
    """`aeterna.memory.v1.MemoryMaintenanceService` over the operations."""

    def __init__(self, operations: Operations, shown: OperationsServicer, keyring: Keyring) -> None:
        self._operations, self._shown, self._keyring = operations, shown, keyring

    async def ReindexMemories(
        self, request: pb.ReindexMemoriesRequest, context: Context
    ) -> operations_pb2.Operation:
        current = caller(ADMINISTRATORS)
        by = await asked(current, self._keyring, KIND, request)
        begun: Operation = await self._operations.begin(current.route, by, KIND, {})
        return self._shown.message(begun)
