"""Requests in PostgreSQL: each write decides under the tenant's lock."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.alerts import Alert, Severity, raise_alert
from libs.approvals import COLLECTION, SCOPE_IDS, Config, Mode, State, nearest
from libs.approvals.store import configured_from
from libs.auth import Role
from libs.changes import Asked, Change, Operation, Origin
from libs.scope import Scope
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.approvals import domain, targets
from services.governance.approvals.domain import Approval, Asking, Person
from services.governance.approvals.errors import RequestNotFound, RequestPending
from services.governance.approvals.ports import Comment, Stored, Texts
from services.governance.approvals.rows import (
    MUTABLE,
    REQUEST,
    approval_from,
    delegation_from,
    stored_from,
    values_of,
)

CLOCK = Origin("service:governance")  # what time does, nobody asked for
_AT_ONCE = 100  # requests that one write ticks
_COLUMNS = ", ".join(REQUEST)
_ALL = f"{_COLUMNS}, year, serial, title, description"
_GET = f"SELECT {_ALL} FROM aeterna.approval_request WHERE tenant_id = $1 AND id = $2"
_PAGE = f"""
    SELECT {_ALL} FROM aeterna.approval_request
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_DECISIONS = """
    SELECT request_id, id, approver, holder, approves, comment, created_at
    FROM aeterna.approval_decision
    WHERE tenant_id = $1 AND request_id = ANY($2::uuid[]) ORDER BY created_at, id
"""
_DUE = f"""
    SELECT {_COLUMNS} FROM aeterna.approval_request
    WHERE tenant_id = $1 AND due_at <= $2 ORDER BY due_at, id LIMIT {_AT_ONCE}
"""
_PENDING = """
    SELECT id FROM aeterna.approval_request WHERE tenant_id = $1 AND kind = $2 AND target = $3
    AND target_version = $4 AND state = 'pending'
"""
_SERIAL = """
    INSERT INTO aeterna.approval_counter AS c (tenant_id, year, serial) VALUES ($1, $2, 1)
    ON CONFLICT (tenant_id, year) DO UPDATE SET serial = c.serial + 1 RETURNING serial
"""
_ADD = f"""
    INSERT INTO aeterna.approval_request
        (tenant_id, year, serial, title, description, number, {_COLUMNS})
    VALUES ($1, {", ".join(f"${place}" for place in range(2, 7 + len(REQUEST)))})
"""
_SAVE = f"""
    UPDATE aeterna.approval_request SET number = $3,
        {", ".join(f"{name} = ${place}" for place, name in enumerate(MUTABLE, 4))}
    WHERE tenant_id = $1 AND id = $2
"""
_DECIDE = """
    INSERT INTO aeterna.approval_decision
        (tenant_id, request_id, approver, holder, id, approves, comment, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_DELEGATED = f"""
    SELECT id, holder, delegate, roles, kinds, {", ".join(SCOPE_IDS)}, expires_at, created_at
    FROM aeterna.approval_delegation WHERE tenant_id = $1 AND delegate = $2 AND expires_at > $3
"""
_CONFIGURED = f"""
    SELECT {", ".join(SCOPE_IDS)}, config, version FROM aeterna.approval_config
    WHERE tenant_id = $1
"""
_BOUND = """
    SELECT DISTINCT user_id FROM aeterna.role_binding
    WHERE tenant_id = $1 AND role = ANY($2::text[]) AND (expires_at IS NULL OR expires_at > $3)
    AND org_id IN ('', $4) AND team_id IN ('', $5) AND project_id IN ('', $6)
"""
_OPERATIONS = {State.APPROVED: Operation.ACCEPTED, State.REJECTED: Operation.REJECTED}


@dataclass(frozen=True)
class PostgresRequests:
    """`Requests` in PostgreSQL."""

    wakeups: Wakeups
    now: Callable[[], datetime]

    async def open(
        self, route: Route, asked: Asked, new: UUID, asking: Asking, texts: Texts
    ) -> UUID:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                await self._open(write, asked.origin, new, asking, texts)
                answer = {"id": str(new)}
                answers.add(asked.request, answer)
                answers.save(write)
        self.wakeups.publish(route.tenant)
        return UUID(answer["id"])

    async def decide(
        self,
        route: Route,
        asked: Asked,
        request: UUID,
        person: Person,
        approves: bool,
        comment: Comment,
    ) -> None:
        async def change(write: Write, before: Approval) -> Approval:
            rows = await write.conn.fetch(_DELEGATED, route.tenant, person.subject, self.now())
            delegations = [delegation_from(row) for row in rows]
            after = domain.decided(before, person, approves, delegations, self.now())
            made = after.decisions[-1]
            write.add(
                _DECIDE,
                request,
                made.approver,
                made.holder,
                comment.id,
                made.approves,
                comment.blob,
                made.at,
            )
            return after

        await self._change(route, asked, request, change)

    async def withdraw(self, route: Route, asked: Asked, request: UUID, person: Person) -> None:
        async def change(write: Write, before: Approval) -> Approval:
            return domain.withdrawn(before, person, self.now())

        await self._change(route, asked, request, change)

    async def carry_out(
        self, route: Route, asked: Asked, request: UUID, person: Person, digest: str
    ) -> None:
        async def change(write: Write, before: Approval) -> Approval:
            return domain.carried_out(before, person, digest, self.now())

        await self._change(route, asked, request, change)

    async def get(self, route: Route, request: UUID) -> Stored:
        rows = await read(route, _GET, request)
        if not rows:
            raise RequestNotFound(request)
        (stored,) = await self._stored(route, rows)
        return stored

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Stored]:
        conditions, values = to_sql(where, 4)
        rows = await read(route, _PAGE.format(where=conditions), before, limit, *values)
        return await self._stored(route, rows)

    async def tick(self, route: Route) -> int:
        async with writing(route) as write:
            now = self.now()
            rows = await write.conn.fetch(_DUE, route.tenant, now)
            for row in rows:
                before = approval_from(row, ())
                after = domain.ticked(before, now)
                if after is before:
                    continue
                await _save(write, CLOCK, before, after)
                await raise_alert(write, _alert(after), CLOCK)
                await write.flush()
        if rows:
            self.wakeups.publish(route.tenant)
        return len(rows)

    async def _open(
        self, write: Write, origin: Origin, new: UUID, asking: Asking, texts: Texts
    ) -> None:
        tenant, now = write.route.tenant, self.now()
        writers = await targets.writers(write, asking)
        key = (asking.kind.value, asking.target, asking.version)
        if pending := await write.conn.fetchval(_PENDING, tenant, *key):
            raise RequestPending(pending)
        config = await _config(write, asking.scope)
        bound = await _bound(write, config, asking.scope, now)
        approval = domain.opened(new, asking, config, writers, bound, now)
        serial = await write.conn.fetchval(_SERIAL, tenant, now.year)
        changes = [Change(f"{COLLECTION}/{new}", Operation.CREATED, origin)]
        if approval.state is State.APPROVED:
            changes.append(_changed(approval, origin))
        number = await write.append(changes)
        last = number + len(changes) - 1
        values = values_of(approval).values()
        write.add(_ADD, now.year, serial, texts.title, texts.description, last, *values)

    async def _change(
        self, route: Route, asked: Asked, request: UUID, change: Callable[[Write, Approval], Any]
    ) -> None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answers.get(asked.request) is None:
                before = await _load(write, request)
                after = await change(write, before)
                await _save(write, asked.origin, before, after)
                answers.add(asked.request, {})
                answers.save(write)
        self.wakeups.publish(route.tenant)

    async def _stored(self, route: Route, rows: Sequence[asyncpg.Record]) -> list[Stored]:
        by_request = defaultdict(list)
        for each in await read(route, _DECISIONS, [row["id"] for row in rows]):
            by_request[each["request_id"]].append(each)
        return [stored_from(row, by_request[row["id"]]) for row in rows]


async def _load(write: Write, request: UUID) -> Approval:
    row = await write.conn.fetchrow(_GET, write.route.tenant, request)
    if row is None:
        raise RequestNotFound(request)
    decisions = await write.conn.fetch(_DECISIONS, write.route.tenant, [request])
    return approval_from(row, decisions)


async def _save(write: Write, origin: Origin, before: Approval, after: Approval) -> None:
    changes = [_changed(after, origin, before)]
    number = await write.append(changes)
    values = values_of(after)
    write.add(_SAVE, after.id, number, *(values[name] for name in MUTABLE))


def _changed(after: Approval, origin: Origin, before: Approval | None = None) -> Change:
    """What the log tells: which state it is in now, or that something else happened to it."""
    moved = before is None or after.state is not before.state
    if moved:
        event, operation = after.state.value, _OPERATIONS.get(after.state, Operation.UPDATED)
    else:
        escalated = before is not None and after.escalated and not before.escalated
        event, operation = "escalated" if escalated else "decided", Operation.UPDATED
    return Change(f"{COLLECTION}/{after.id}", operation, origin, event=f"approval.{event}")


def _alert(approval: Approval) -> Alert:
    expired = approval.state is State.EXPIRED
    return Alert(
        kind="approval.expired" if expired else "approval.escalated",
        severity=Severity.MEDIUM if expired else Severity.LOW,
        resource=f"{COLLECTION}/{approval.id}",
        facts={"kind": approval.asking.kind.value, "risk": approval.asking.risk.value},
    )


async def _config(write: Write, scope: Scope) -> Config:
    rows = await write.conn.fetch(_CONFIGURED, write.route.tenant)
    return nearest([configured_from(row) for row in rows], scope).config


async def _bound(write: Write, config: Config, scope: Scope, now: datetime) -> list[str]:
    """Who is bound to one of the roles in the scope; asked only where all of them have to agree."""
    if config.mode is not Mode.UNANIMOUS or config.approvers:
        return []
    roles = [Role(role).value for role in config.roles]
    ids = [getattr(scope, name) for name in SCOPE_IDS]
    rows = await write.conn.fetch(_BOUND, write.route.tenant, roles, now, *ids)
    return [row["user_id"] for row in rows]
