"""gRPC servicer of the audit trail: translates, nothing else."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from aeterna.governance.v1 import audit_pb2 as pb
from aeterna.governance.v1 import audit_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, Kind, parse
from libs.aip.paging import Page
from libs.audit import Fault
from libs.changes import Operation
from libs.encryption.keyring import Keyring
from libs.service.caller import caller
from libs.service.convert import asked, change_to, timestamp
from libs.service.pipeline import Context
from libs.spine.changes import LoggedChange
from services.governance.audit.domain import Event
from services.governance.audit.operations import AuditOperations
from services.governance.audit.ports import Checkpoint

_TEXTS = ("actor", "subject", "resource", "event", "request_id", "trace_id")
_FILTER = {
    **{name: Field(name, Kind.TEXT) for name in _TEXTS},
    "operation": Field("operation", Kind.ENUM, {each.value: each.value for each in Operation}),
    "commit_time": Field("committed_at", Kind.TIME),
}
_FAULTS = {each: pb.AuditFault.Value(f"AUDIT_FAULT_{each.name}") for each in Fault}


class AuditServicer(pb_grpc.AuditServiceServicer):
    """`aeterna.governance.v1.AuditService` over the operations; reads go to their ports."""

    def __init__(self, operations: AuditOperations, keyring: Keyring) -> None:
        self._do, self._keyring = operations, keyring
        self._trail, self._checkpoints = operations.trail, operations.checkpoints

    async def RecordAuditEvent(
        self, request: pb.RecordAuditEventRequest, context: Context
    ) -> pb.AuditEntry:
        current = caller()
        by = await asked(current, self._keyring, "RecordAuditEvent", request)
        event = Event(request.event, request.resource, request.subject)
        return _entry(await self._trail.record(current.route, by, event))

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListAuditEntries/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        since = page.after_number()
        entries = await self._trail.page(current.route, where, since, page.limit)
        shown, token = page.cut(entries, lambda entry: entry.number)
        return pb.ListAuditEntriesResponse(entries=map(_entry, shown), next_page_token=token)

    async def VerifyAuditTrail(
        self, request: pb.VerifyAuditTrailRequest, context: Context
    ) -> pb.VerifyAuditTrailResponse:
        verdict, ends = await self._do.verify(caller().route)
        return pb.VerifyAuditTrailResponse(
            intact=verdict.intact,
            checked=verdict.checked,
            head=verdict.head,
            broken_at=verdict.broken_at,
            fault=_FAULTS[verdict.fault] if verdict.fault else pb.AUDIT_FAULT_UNSPECIFIED,
            proved=verdict.proved,
            pruned=ends.floor,
        )

    async def ExportAuditTrail(
        self, request: pb.ExportAuditTrailRequest, context: Context
    ) -> AsyncIterator[pb.ExportAuditTrailResponse]:
        lines = self._do.export(caller().route, request.since, request.until)
        async with aclosing(lines):
            async for block in lines:
                yield pb.ExportAuditTrailResponse(lines=block)

    async def PruneAuditTrail(
        self, request: pb.PruneAuditTrailRequest, context: Context
    ) -> pb.PruneAuditTrailResponse:
        current = caller()
        by = await asked(current, self._keyring, "PruneAuditTrail", request)
        pruned = await self._do.prune(current.route, by, request.until, request.hash)
        return pb.PruneAuditTrailResponse(pruned=pruned)

    async def ListAuditCheckpoints(
        self, request: pb.ListAuditCheckpointsRequest, context: Context
    ) -> pb.ListAuditCheckpointsResponse:
        current = caller()
        binding = f"ListAuditCheckpoints/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._checkpoints.page(current.tenant, page.after_number(), page.limit)
        shown, token = page.cut(found, lambda checkpoint: checkpoint.number)
        checkpoints = map(_checkpoint, shown)
        return pb.ListAuditCheckpointsResponse(checkpoints=checkpoints, next_page_token=token)

    async def ListSigningKeys(
        self, request: pb.ListSigningKeysRequest, context: Context
    ) -> pb.ListSigningKeysResponse:
        caller()
        current = self._do.signer.key_id
        keys = sorted((await self._checkpoints.keys()).items(), key=lambda key: key[0] != current)
        return pb.ListSigningKeysResponse(
            keys=[
                pb.SigningKey(key_id=name, public_key=key, current=name == current)
                for name, key in keys
            ]
        )


def _entry(entry: LoggedChange) -> pb.AuditEntry:
    return pb.AuditEntry(
        change=change_to(entry),
        request_id=entry.request_id,
        event=entry.event,
        hash=entry.hash,
        details=entry.details,
    )


def _checkpoint(checkpoint: Checkpoint) -> pb.AuditCheckpoint:
    return pb.AuditCheckpoint(
        number=checkpoint.number,
        hash=checkpoint.hash,
        create_time=timestamp(checkpoint.created_at),
        statement=checkpoint.signed.statement.decode(),
        key_id=checkpoint.signed.key_id,
        signature=checkpoint.signed.signature,
    )
