"""Beginning erasures, lifting them, and beginning those again that a restored shard lacks."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from libs.auth.identity import person_of
from libs.changes import Asked, Change, Origin
from libs.changes import Operation as Did
from libs.erasure import Erasure, Strategy
from libs.erasure.ledger import ErasureForgotten
from libs.erasure.texts import is_named, mentions
from libs.errors import invalid
from libs.operations import Operation, OperationUnderWay
from libs.operations.store import Operations
from libs.postgres import StoreUnavailable
from libs.spine import writing
from libs.spine.requests import Answers
from libs.tenancy import Route, TenantId
from libs.wakeups import Wakeups
from services.governance.erasure.domain import actor_parts
from services.governance.erasure.errors import SelfErasure
from services.governance.erasure.saga import KIND, Routes
from services.governance.erasure.store import shard
from services.governance.erasure.store.ledger import Entry, WrittenLedger, to_replay

_IDS = UUID("0d4c3b5e-6f0b-4f7e-9c1d-6a2f8f1f7c53")  # of the erasures that requests with ids make
_PREFIX = {Strategy.PSEUDONYMIZE: "pseudonym"}
_REPLAY = Origin("service:governance")  # who does again what somebody has asked for before


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    subject: str
    identifiers: tuple[str, ...]
    strategy: Strategy
    reference: str


@dataclass(frozen=True)
class Erasures:
    """Every operation on erasures but the saga itself."""

    ledger: WrittenLedger
    operations: Operations
    routes: Routes
    wakeups: Wakeups
    new_id: Callable[[], UUID]

    async def begin(self, route: Route, asked: Asked, wanted: Wanted) -> Operation:
        """Notes the erasure and begins it; a repeat gets the operation that the first one began.

        Raises:
            SelfErasure, InvalidRequest, OperationUnderWay, RequestIdReused: As they say.
        """
        request = asked.request
        identity = uuid5(_IDS, f"{route.tenant}/{request.id}") if request else self.new_id()
        erasure = Erasure(
            identity,
            wanted.subject,
            tuple(sorted({*wanted.identifiers} - {wanted.subject}, key=len, reverse=True)),
            wanted.strategy,
            _pseudonym(wanted.strategy),
        )
        if person_of(asked.origin.actor) in actor_parts(erasure):
            raise SelfErasure
        if is_named(wanted.reference, erasure.names) or mentions(wanted.reference, erasure.names):
            raise invalid("reference", "must not name the person: it is kept")
        actor, tenant = asked.origin.actor, route.tenant
        added = await self.ledger.add(tenant, erasure, wanted.reference, actor)
        try:
            return await self._begin(route, asked, identity)
        except StoreUnavailable:  # it may have begun: if not, the replays begin it
            raise
        except Exception:
            if added:
                await self.ledger.drop(tenant, identity)
            raise

    async def _begin(self, route: Route, asked: Asked, erasure: UUID) -> Operation:
        origin = asked.origin
        parameters = {
            "erasure": str(erasure),
            "attempt": str(uuid4()),
            "actor": origin.actor,
            "trace_id": origin.trace_id,
        }
        operation = await self.operations.begin(route, asked, KIND, parameters)
        await self.ledger.begun(route.tenant, erasure, operation.id)
        return operation

    async def replay(self, route: Route) -> list[UUID]:
        """Begins the oldest of the erasures that the shard lacks; all that it lacks."""
        entries = [each for each in await self.ledger.entries() if each.tenant == route.tenant]
        return [each.id for each in await self.begin_again(route, entries)]

    async def begin_again(self, route: Route, entries: Sequence[Entry]) -> list[Entry]:
        """The same of these entries, which are the tenant's."""
        lacking = await to_replay(route, entries)
        for each in lacking[:1]:
            strategy = (await self.ledger.get(route.tenant, each.id)).strategy
            await self.ledger.rename(route.tenant, each.id, _pseudonym(strategy))
            try:
                await self._begin(route, Asked(_REPLAY, None), each.id)
            except (OperationUnderWay, ErasureForgotten):
                break
        return lacking

    async def lift(self, route: Route, asked: Asked, subject: str) -> bool:
        """Lets writes about a person pass again; whether they were refused.

        Raises:
            RequestIdReused: As it says.
        """
        own, erasures = await self.routes(route), await self._of(route.tenant, subject)
        names = {subject, *(name for erasure in erasures for name in erasure.names)}
        await self.ledger.lift(route.tenant, [each.id for each in erasures])
        async with writing(own) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is not None:
                return bool(answer["lifted"])
            lifted = await shard.unblock(write, sorted(names))
            if lifted:
                change = Change("erasures", Did.RECORDED, asked.origin, event="erasure.lifted")
                await write.append([change])
            answers.add(asked.request, {"lifted": lifted})
            answers.save(write)
        self.wakeups.publish(route.tenant)
        return lifted

    async def _of(self, tenant: TenantId, subject: str) -> list[Erasure]:
        """The erasures of a person, as far as the ledger still knows whose they are."""
        found = []
        for entry in await self.ledger.entries():
            if entry.tenant == tenant:
                erasure = await self.ledger.read.asked(tenant, entry.id)
                if subject in erasure.names:
                    found.append(erasure)
        return found


def _pseudonym(strategy: Strategy) -> str:
    return f"{_PREFIX.get(strategy, 'erased')}-{secrets.token_hex(8)}"
