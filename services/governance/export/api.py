"""gRPC servicer of exports: translates, nothing else."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from uuid import UUID

from google.longrunning import operations_pb2

from aeterna.governance.v1 import export_pb2 as pb
from aeterna.governance.v1 import export_pb2_grpc as pb_grpc
from libs.aip.names import resource_uuid
from libs.encryption.keyring import Keyring
from libs.exports import Export, Parts
from libs.operations.api import OperationsServicer
from libs.operations.store import Operations
from libs.service.caller import caller
from libs.service.convert import asked
from libs.service.pipeline import Context
from services.governance.export.gathering import KIND, MANIFEST
from services.governance.export.store import ExportNotFound, delete_export

COLLECTION = "subjectExports"
_CHUNK = 1024 * 1024  # bytes of one message


class ExportServicer(pb_grpc.ExportServiceServicer):
    """`aeterna.governance.v1.ExportService` over the operations and the kept files."""

    def __init__(
        self,
        operations: Operations,
        shown: OperationsServicer,
        keyring: Keyring,
        new_id: Callable[[], UUID],
        now: Callable[[], datetime],
        kept: timedelta,
    ) -> None:
        self._operations, self._shown, self._keyring = operations, shown, keyring
        self._new_id, self._now, self._kept = new_id, now, kept
        self._parts = Parts(keyring)

    async def ExportSubject(
        self, request: pb.ExportSubjectRequest, context: Context
    ) -> operations_pb2.Operation:
        current = caller()
        by = await asked(current, self._keyring, "ExportSubject", request)
        export = Export(self._new_id(), request.subject, self._now() + self._kept)
        origin = by.origin
        parameters = {
            **export.parameters(),
            "actor": origin.actor,
            "trace_id": origin.trace_id,
        }
        return self._shown.message(
            await self._operations.begin(current.route, by, KIND, parameters)
        )

    async def DownloadSubjectExport(
        self, request: pb.DownloadSubjectExportRequest, context: Context
    ) -> AsyncIterator[pb.DownloadSubjectExportResponse]:
        route, export = caller().route, resource_uuid(request.name, COLLECTION)
        manifest = await self._parts.next(route, export, MANIFEST, -1)
        if manifest is None or manifest.file != MANIFEST:
            raise ExportNotFound(export)
        at = ("", -1)
        while piece := await self._parts.next(route, export, *at):
            at = piece.file, piece.place
            if piece.file != MANIFEST:
                for chunk in _chunks(piece.data):
                    yield pb.DownloadSubjectExportResponse(file=piece.file, data=chunk)
        yield pb.DownloadSubjectExportResponse(file=MANIFEST, data=manifest.data)

    async def DeleteSubjectExport(
        self, request: pb.DeleteSubjectExportRequest, context: Context
    ) -> pb.DeleteSubjectExportResponse:
        current = caller()
        export = resource_uuid(request.name, COLLECTION)
        by = await asked(current, self._keyring, "DeleteSubjectExport", request)
        await delete_export(current.route, by, export)
        return pb.DeleteSubjectExportResponse()


def _chunks(data: bytes) -> list[bytes]:
    """One at least: a file without lines is a file."""
    return [data[start : start + _CHUNK] for start in range(0, max(1, len(data)), _CHUNK)]
