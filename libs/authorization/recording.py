"""Remembering decisions, so that policies can be tried on them before they hold.

What is the same within an hour is counted, not repeated; of what is different a tenant has so much
a moment and so much in all. Whoever decides calls a `Recorder`, which neither waits nor fails:
what it has heard is written later, all of a tenant in one transaction.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol
from uuid import UUID

import structlog

from libs.auth.clock import utc_now
from libs.authorization.asking import Decision, Principal
from libs.authorization.questions import Question
from libs.authorization.things import Thing
from libs.errors import AppError
from libs.spine import writing
from libs.tenancy import Route, TenantId

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(days=14)
MOST = 50_000  # different questions of a tenant, with the hours that they were asked in
_EVERY = 10.0  # seconds between two writes for a tenant
_MOST_AT_ONCE = 500  # different questions of a tenant in that time; the others are not kept
_TIDY = 30  # writes for a tenant after which old ones are removed
# Nothing is kept of a person who was erased, whoever has heard of one before.
_PUT = """
    INSERT INTO aeterna.decision AS d (tenant_id, hour, id, person, agent, action, question,
        allowed, policies, asked, last_at)
    SELECT $1, date_trunc('hour', r.last_at, 'UTC'), r.id, r.person, r.agent, r.action, r.question,
        r.allowed, ARRAY(SELECT jsonb_array_elements_text(r.policies)), r.asked, r.last_at
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::boolean[],
        $8::jsonb[], $9::bigint[], $10::timestamptz[]) AS r (id, person, agent, action, question,
        allowed, policies, asked, last_at)
    WHERE NOT aeterna.any_erased(ARRAY[r.person, r.agent, r.question #>> '{thing,user}'])
    ON CONFLICT (tenant_id, hour, id) DO UPDATE SET asked = d.asked + excluded.asked,
        last_at = greatest(d.last_at, excluded.last_at)
"""
_FORGET = "DELETE FROM aeterna.decision WHERE tenant_id = $1 AND hour < now() - $2::interval"
_BOUND = """
    DELETE FROM aeterna.decision WHERE tenant_id = $1 AND (hour, id) IN (
        SELECT hour, id FROM aeterna.decision WHERE tenant_id = $1
        ORDER BY hour DESC, id OFFSET $2)
"""


class Recorder(Protocol):
    """Keeps some of the decisions."""

    def record(
        self,
        route: Route | None,
        principal: Principal,
        action: str,
        thing: Thing | None,
        decision: Decision,
    ) -> None:
        """Keeps a decision or not; without a thing it is about whether there may be any."""


class NoRecorder:
    """A `Recorder` that keeps none."""

    def record(
        self,
        route: Route | None,
        principal: Principal,
        action: str,
        thing: Thing | None,
        decision: Decision,
    ) -> None:
        return None


@dataclass(slots=True)
class _Heard:
    """How a question was answered, how often and when last."""

    decision: Decision
    asked: int
    last_at: datetime


@dataclass(slots=True)
class _Pending:
    """What was heard of a tenant and is not written."""

    route: Route
    heard: dict[Question, _Heard] = field(default_factory=dict)


class DecisionRecorder:
    """`Recorder` in the shards of the tenants; open it with `open_recorder`."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._pending: dict[TenantId, _Pending] = {}
        self._writes: dict[TenantId, int] = {}

    def record(
        self,
        route: Route | None,
        principal: Principal,
        action: str,
        thing: Thing | None,
        decision: Decision,
    ) -> None:
        if route is None:
            return  # of no tenant's data: tenants' policies say nothing about it
        pending = self._pending.get(route.tenant)
        if pending is None:
            pending = self._pending[route.tenant] = _Pending(route)
        question = Question(principal, action, thing)
        heard = pending.heard.get(question)
        if heard is not None:
            heard.asked += 1
            heard.last_at, heard.decision = self._now(), decision
        elif len(pending.heard) < _MOST_AT_ONCE:
            pending.heard[question] = _Heard(decision, 1, self._now())

    async def run(self) -> None:
        """Writes what was heard, now and then, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Writes what was heard; what cannot be written is lost."""
        pending, self._pending = self._pending, {}
        for each in pending.values():
            try:
                await self._write(each)
            except AppError as error:
                log.warning("decisions.lost", reason=error.reason, questions=len(each.heard))
            except Exception as exc:  # a bug: those to come are kept all the same
                log.error("decisions.lost", exc_info=exc, questions=len(each.heard))

    async def _write(self, pending: _Pending) -> None:
        rows = [_row(question, heard) for question, heard in pending.heard.items()]
        tenant = pending.route.tenant
        written = self._writes.get(tenant, 0)
        self._writes[tenant] = written + 1
        async with writing(pending.route, durable=False) as write:
            await write.conn.execute(_PUT, tenant, *_columns(rows))
            if written % _TIDY == 0:
                await write.conn.execute(_FORGET, tenant, KEPT_FOR)
                await write.conn.execute(_BOUND, tenant, MOST)


@asynccontextmanager
async def open_recorder() -> AsyncIterator[DecisionRecorder]:
    """A recorder that writes what is left when the block ends."""
    recorder = DecisionRecorder()
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await recorder.flush()


def _row(question: Question, heard: _Heard) -> tuple[object, ...]:
    kept = json.dumps(question.json(), sort_keys=True)
    policies = json.dumps(list(heard.decision.policies))
    answer = f"{kept}\n{policies}\n{heard.decision.allowed}"
    agent = question.principal.agent
    return (
        UUID(bytes=blake2b(answer.encode(), digest_size=16).digest()),
        question.principal.person,
        agent.name if agent else "",
        question.action,
        kept,
        heard.decision.allowed,
        policies,
        heard.asked,
        heard.last_at,
    )


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
