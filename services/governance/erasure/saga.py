"""Erases a person, step by step: `libs.operations.Step`. Each step may be done again.

1. block: nobody writes about the person, or in that person's name, from now on.
2. texts: memory, knowledge and sync erase theirs, as operations of their own.
3. tables: ids and sealed texts in all other tables.
4. log: rows of the change log, under signatures.
5. keys: the person's keys and their shares are destroyed.
6. look: once the vector indexes have heard of all that, every table and every text is searched for
   the person; what is found begins another round.
7. certify: report and certificate; the shard knows that the erasure is complete.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from libs.changes import Asked, Origin, Request
from libs.encryption.keyring import Keyring
from libs.erasure import (
    ERASE_DOCUMENTS,
    ERASE_KNOWLEDGE,
    ERASE_MEMORIES,
    TEXT_KINDS,
    Erasure,
    Strategy,
)
from libs.erasure.walking import ERASE, LOOK, asking
from libs.operations import (
    COLLECTION,
    Fields,
    Operation,
    OperationId,
    OperationUnderWay,
    Progress,
    State,
)
from libs.operations.store import Operations
from libs.signing import Signer
from libs.spine import writing
from libs.tenancy import Route
from services.governance.erasure.domain import PURPOSE, reported, statement
from services.governance.erasure.errors import ErasureIncomplete, ErasureStepFailed
from services.governance.erasure.store import sealed, shard, tables
from services.governance.erasure.store.ledger import WrittenLedger

KIND = "EraseSubject"
STEPS = ("block", "texts", "tables", "log", "keys", "look", "certify")
_ROUNDS = 3  # of erasing again what the look has found
_PAUSE = 0.05  # seconds between looks at what other services do
_LOOKS = 60  # before it is written down that it still goes on
_STORES = {
    ERASE_MEMORIES: "memory",
    ERASE_KNOWLEDGE: "knowledge_item",
    ERASE_DOCUMENTS: "shared_document",
}

Routes = Callable[[Route], Awaitable[Route]]  # the same way, with the role of governance


@dataclass(frozen=True, slots=True)
class Work:
    """A step of one erasure: where, of whom, and what was done before."""

    route: Route  # of services
    own: Route  # of governance
    erasure: Erasure
    origin: Origin
    attempt: UUID
    cursor: Mapping[str, Any]

    @property
    def round(self) -> int:
        """Which round it is, from 0."""
        return int(self.cursor.get("round", 0))


@dataclass(frozen=True)
class Saga:
    """`libs.operations.Step` of EraseSubject."""

    ledger: WrittenLedger
    operations: Operations
    keyring: Keyring
    signer: Signer
    routes: Routes
    now: Callable[[], datetime]

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        name = progress.cursor.get("step", STEPS[0])
        work = Work(
            route,
            await self.routes(route),
            await self.ledger.read.asked(route.tenant, UUID(parameters["erasure"])),
            Origin(parameters["actor"], parameters["trace_id"]),
            UUID(parameters["attempt"]),
            progress.cursor,
        )
        cursor = await getattr(self, f"_{name}")(work)
        step = cursor.get("step", name)
        done = STEPS.index(step) if cursor else len(STEPS)
        result = {} if cursor else {"erasure": f"erasures/{work.erasure.id}"}
        return Progress(done, len(STEPS), not cursor, cursor, result)

    async def _block(self, work: Work) -> Fields:
        erasure = work.erasure
        await self.ledger.add_keys(
            work.route.tenant, erasure.id, await shard.key_ids(work.own, erasure)
        )
        if erasure.strategy is Strategy.PSEUDONYMIZE:
            await self.ledger.keep_pseudonym(work.route.tenant, erasure)
        await shard.block(work.own, erasure)
        return {"step": "texts", "counts": {}, "erased": {}}

    async def _texts(self, work: Work) -> Fields:
        ended = await self._others(work, ERASE)
        if ended is None:
            return work.cursor
        counts, erased = dict(work.cursor["counts"]), dict(work.cursor["erased"])
        for kind, operation in ended.items():
            _add(counts, _STORES[kind], operation.progress.result.get("found", 0))
            _add(erased, _STORES[kind], operation.progress.result.get("erased", 0))
        head = await shard.head(work.own)
        return {**work.cursor, "step": "tables", "head": head, "counts": counts, "erased": erased}

    async def _tables(self, work: Work) -> Fields:
        renamed = await tables.rename(work.own, self.ledger.control, work.erasure)
        rewritten = await sealed.rewrite(work.own, self.keyring, work.erasure)
        erased = dict(work.cursor["erased"])
        for counts in (renamed, rewritten):
            for name, count in counts.items():
                _add(erased, name, count)
        return {**work.cursor, "step": "log", "erased": erased, "since": 0}

    async def _log(self, work: Work) -> Fields:
        since = int(work.cursor["since"])
        count, last = await shard.amend_log(work.own, work.erasure, since, self.signer)
        erased = dict(work.cursor["erased"])
        _add(erased, "change", count)
        step = "log" if last else "keys"
        return {**work.cursor, "step": step, "erased": erased, "since": last}

    async def _keys(self, work: Work) -> Fields:
        """The shares first: they are what a backup of the shard lacks."""
        tenant, erasure = work.route.tenant, work.erasure
        ids = await shard.key_ids(work.own, erasure)
        keys = await self.ledger.add_keys(tenant, erasure.id, ids)
        await self.ledger.destroy_shares(tenant, keys)
        for name in erasure.names:
            await self.keyring.destroy_subject(work.route, name)
        erased = {**work.cursor["erased"], "subject_key": len(keys), "control.key_share": len(keys)}
        return {**work.cursor, "step": "look", "erased": erased}

    async def _look(self, work: Work) -> Fields:
        if await shard.waiting(work.own, int(work.cursor["head"])):
            await asyncio.sleep(_LOOKS * _PAUSE)
            return work.cursor
        ended = await self._others(work, LOOK)
        if ended is None:
            return work.cursor
        left = await tables.look(work.own, self.ledger.control, work.erasure)
        for name, count in (await sealed.look(work.own, self.keyring, work.erasure)).items():
            _add(left, name, count)
        for kind, operation in ended.items():
            _add(left, _STORES[kind], operation.progress.result.get("left", 0))
        left = {name: count for name, count in left.items() if count}
        if left and work.round + 1 < _ROUNDS:
            return {**work.cursor, "step": "texts", "round": work.round + 1}
        return {**work.cursor, "step": "certify", "left": left}

    async def _certify(self, work: Work) -> Fields:
        tenant, erasure = work.route.tenant, work.erasure
        left, erased = work.cursor["left"], work.cursor["erased"]
        report = reported(work.cursor["counts"], erased, left)
        await self.ledger.save_report(tenant, erasure.id, report)
        if left:
            raise ErasureIncomplete(sorted(left))
        kept = await self.ledger.get(tenant, erasure.id)
        said = statement(tenant, kept, report, erased.get("subject_key", 0), self.now())
        certificate = json.dumps(
            self.signer.sign(PURPOSE, said).to_json(), ensure_ascii=False, sort_keys=True
        )
        if kept.lifted:
            async with writing(work.own) as write:
                await shard.unblock(write, erasure.names)
        event = "erasure.replayed" if kept.completed_at else "erasure.completed"
        await shard.finish(work.own, erasure.id, work.origin, event)
        await self.ledger.complete(tenant, erasure.id, certificate)
        return {}

    async def _others(self, work: Work, mode: str) -> Mapping[str, Operation] | None:
        """What the other services have done, once all have; None: they are still at it.

        Raises:
            ErasureStepFailed: One of them has failed.
        """
        begun = [await self._begun(work, kind, mode) for kind in TEXT_KINDS]
        for _ in range(_LOOKS):
            found = [each and await self.operations.get(work.route, each) for each in begun]
            done = [each for each in found if each and each.state.final]
            for each in done:
                if each.state is not State.SUCCEEDED:
                    raise ErasureStepFailed(f"{COLLECTION}/{each.id}")
            if len(done) == len(TEXT_KINDS):
                return {each.kind: each for each in done}
            await asyncio.sleep(_PAUSE)
        return None

    async def _begun(self, work: Work, kind: str, mode: str) -> OperationId | None:
        """The operation of the other service, begun once; None: it is still at one before."""
        identity = uuid5(work.attempt, f"{kind}/{mode}/{work.round}")
        origin = Origin(work.origin.actor, work.origin.trace_id, str(identity))
        request = Request(identity, kind, b"")
        parameters = asking(work.erasure.id, mode, work.origin)
        try:
            asked = Asked(origin, request)
            return (await self.operations.begin(work.route, asked, kind, parameters)).id
        except OperationUnderWay:
            return None


def _add(counts: dict[str, int], name: str, count: Any) -> None:
    counts[name] = counts.get(name, 0) + int(count)
