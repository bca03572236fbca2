"""gRPC servicer of erasures: translates, nothing else."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from google.longrunning import operations_pb2

from aeterna.governance.v1 import erasure_pb2 as pb
from aeterna.governance.v1 import erasure_pb2_grpc as pb_grpc
from libs.aip.names import resource_uuid
from libs.aip.paging import Page
from libs.changes import Change, Operation
from libs.encryption.keyring import Keyring
from libs.erasure import Strategy
from libs.operations.api import OperationsServicer
from libs.service.caller import caller
from libs.service.convert import asked, enum_from, timestamp
from libs.service.pipeline import Context
from libs.signing.store import public_keys
from libs.spine import writing
from services.governance.erasure.domain import Kept
from services.governance.erasure.operations import Erasures, Wanted

COLLECTION = "erasures"
_STRATEGIES: dict[int, Strategy] = {
    pb.ERASURE_STRATEGY_DELETE: Strategy.DELETE,
    pb.ERASURE_STRATEGY_ANONYMIZE: Strategy.ANONYMIZE,
    pb.ERASURE_STRATEGY_PSEUDONYMIZE: Strategy.PSEUDONYMIZE,
    pb.ERASURE_STRATEGY_REDACT: Strategy.REDACT,
}


class ErasureServicer(pb_grpc.ErasureServiceServicer):
    """`aeterna.governance.v1.ErasureService` over the operations; reads go to the ledger."""

    def __init__(self, erasures: Erasures, shown: OperationsServicer, keyring: Keyring) -> None:
        self._do, self._ledger = erasures, erasures.ledger
        self._shown, self._keyring = shown, keyring

    async def EraseSubject(
        self, request: pb.EraseSubjectRequest, context: Context
    ) -> operations_pb2.Operation:
        current = caller()
        by = await asked(current, self._keyring, "EraseSubject", request)
        strategy = enum_from(_STRATEGIES, request.strategy, "strategy")
        identifiers = tuple(request.identifiers)
        wanted = Wanted(request.subject, identifiers, strategy, request.reference)
        return self._shown.message(await self._do.begin(current.route, by, wanted))

    async def GetErasure(self, request: pb.GetErasureRequest, context: Context) -> pb.Erasure:
        current = caller()
        erasure = resource_uuid(request.name, COLLECTION)
        return _message(await self._ledger.get(current.tenant, erasure), whole=True)

    async def ListErasures(
        self, request: pb.ListErasuresRequest, context: Context
    ) -> pb.ListErasuresResponse:
        current = caller()
        binding = f"ListErasures/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._ledger.page(current.tenant, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda erasure: erasure.id)
        return pb.ListErasuresResponse(
            erasures=[_message(each, whole=False) for each in shown], next_page_token=token
        )

    async def LiftErasure(
        self, request: pb.LiftErasureRequest, context: Context
    ) -> pb.LiftErasureResponse:
        current = caller()
        by = await asked(current, self._keyring, "LiftErasure", request)
        return pb.LiftErasureResponse(
            lifted=await self._do.lift(current.route, by, request.subject)
        )

    async def ReplayErasures(
        self, request: pb.ReplayErasuresRequest, context: Context
    ) -> pb.ReplayErasuresResponse:
        lacking = await self._do.replay(caller().route)
        return pb.ReplayErasuresResponse(erasures=map(_name, lacking))

    async def RevealPseudonym(
        self, request: pb.RevealPseudonymRequest, context: Context
    ) -> pb.RevealPseudonymResponse:
        current = caller()
        subject = await self._ledger.reveal(current.tenant, request.pseudonym)
        await self._record("pseudonym.revealed", request.pseudonym)
        return pb.RevealPseudonymResponse(subject=subject)

    async def DestroyPseudonymKey(
        self, request: pb.DestroyPseudonymKeyRequest, context: Context
    ) -> pb.DestroyPseudonymKeyResponse:
        current = caller()
        await self._ledger.destroy_pseudonym(current.tenant, request.pseudonym)
        await self._record("pseudonym.destroyed", request.pseudonym)
        return pb.DestroyPseudonymKeyResponse()

    async def ListCertificateKeys(
        self, request: pb.ListCertificateKeysRequest, context: Context
    ) -> pb.ListCertificateKeysResponse:
        caller()
        found = await public_keys(self._ledger.control)
        keys = [pb.CertificateKey(id=name, public_key=key) for name, key in found.items()]
        return pb.ListCertificateKeysResponse(keys=keys)

    async def _record(self, event: str, subject: str) -> None:
        current = caller()
        change = Change("erasures", Operation.RECORDED, current.origin, subject, event=event)
        async with writing(current.route) as write:
            await write.append([change])


def _message(kept: Kept, *, whole: bool) -> pb.Erasure:
    complete = kept.completed_at is not None
    message = pb.Erasure(
        name=_name(kept.id),
        strategy=pb.ErasureStrategy.Value(f"ERASURE_STRATEGY_{kept.strategy.name}"),
        state=pb.ERASURE_STATE_COMPLETE if complete else pb.ERASURE_STATE_RUNNING,
        reference=kept.reference,
        pseudonym=_pseudonym(kept),
        create_time=timestamp(kept.created_at),
        complete_time=timestamp(kept.completed_at) if kept.completed_at else None,
        operation=f"operations/{kept.operation}" if kept.operation and not complete else "",
    )
    if whole:
        message.certificate = kept.certificate
        message.stores.extend(map(_store, kept.report))
    return message


def _pseudonym(kept: Kept) -> str:
    """Only one that may be resolved is told, and when everything has it."""
    reversible = kept.strategy is Strategy.PSEUDONYMIZE and kept.completed_at
    return kept.pseudonym if reversible else ""


def _store(line: Mapping[str, Any]) -> pb.ErasedStore:
    return pb.ErasedStore(**line)


def _name(erasure: UUID) -> str:
    return f"{COLLECTION}/{erasure}"
