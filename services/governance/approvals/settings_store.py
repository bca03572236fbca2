"""Delegations and configurations of approvals in PostgreSQL."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.approvals import SCOPE_IDS, Config, Configured
from libs.approvals.store import configured_from
from libs.changes import Asked, Change, Operation
from libs.scope import Scope
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.approvals.domain import Delegation
from services.governance.approvals.errors import (
    ConfigNotFound,
    ConfigVersionMismatch,
    DelegationNotFound,
)
from services.governance.approvals.rows import delegation_from

DELEGATIONS, CONFIG = "approvalDelegations", "approvalConfig"
_SCOPE = ", ".join(SCOPE_IDS)
_DELEGATION = f"id, holder, delegate, roles, kinds, {_SCOPE}, expires_at, created_at"
_DELEGATE = f"""
    INSERT INTO aeterna.approval_delegation (tenant_id, {_DELEGATION})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_GET_DELEGATION = f"""
    SELECT {_DELEGATION} FROM aeterna.approval_delegation WHERE tenant_id = $1 AND id = $2
"""
_DELEGATIONS = f"""
    SELECT {_DELEGATION} FROM aeterna.approval_delegation
    WHERE tenant_id = $1 AND expires_at > $2 AND ($3 = '' OR holder = $3 OR delegate = $3)
    AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5
"""
_UNDELEGATE = """
    DELETE FROM aeterna.approval_delegation WHERE tenant_id = $1 AND id = $2
    AND ($3 = '' OR holder = $3) RETURNING true
"""
_CONFIGURED = f"""
    SELECT {_SCOPE}, config, version FROM aeterna.approval_config WHERE tenant_id = $1
    ORDER BY {_SCOPE}
"""
_VERSION = """
    SELECT version FROM aeterna.approval_config
    WHERE tenant_id = $1 AND org_id = $2 AND team_id = $3 AND project_id = $4
"""
_CONFIGURE = f"""
    INSERT INTO aeterna.approval_config
        (tenant_id, {_SCOPE}, config, version, number, updated_at)
    VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8)
    ON CONFLICT (tenant_id, {_SCOPE}) DO UPDATE SET config = excluded.config,
        version = excluded.version, number = excluded.number, updated_at = excluded.updated_at
"""
_UNCONFIGURE = """
    DELETE FROM aeterna.approval_config
    WHERE tenant_id = $1 AND org_id = $2 AND team_id = $3 AND project_id = $4
"""


def etag_of(version: int) -> str:
    """The etag of a version (AIP-154); "" where there is nothing."""
    return f'"{version}"' if version else ""


@dataclass(frozen=True)
class PostgresSettings:
    """`Settings` in PostgreSQL."""

    wakeups: Wakeups
    now: Callable[[], datetime]

    async def delegate(self, route: Route, asked: Asked, delegation: Delegation) -> Delegation:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                resource = f"{DELEGATIONS}/{delegation.id}"
                await _log(write, asked, resource, Operation.CREATED)
                write.add(_DELEGATE, *_values(delegation))
                answers.add(asked.request, {"id": str(delegation.id)})
                answers.save(write)
        self.wakeups.publish(route.tenant)
        if answer is None:
            return delegation
        return await self._delegation(route, UUID(answer["id"]))

    async def delegations(
        self, route: Route, person: str, before: UUID | None, limit: int
    ) -> list[Delegation]:
        rows = await read(route, _DELEGATIONS, self.now(), person, before, limit)
        return [delegation_from(row) for row in rows]

    async def undelegate(self, route: Route, asked: Asked, delegation: UUID, person: str) -> None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answers.get(asked.request) is None:
                removed = await write.conn.fetchval(_UNDELEGATE, route.tenant, delegation, person)
                if not removed:
                    raise DelegationNotFound(delegation)
                await _log(write, asked, f"{DELEGATIONS}/{delegation}", Operation.DELETED)
                answers.add(asked.request, {})
                answers.save(write)
        self.wakeups.publish(route.tenant)

    async def configured(self, route: Route) -> list[Configured]:
        return [configured_from(row) for row in await read(route, _CONFIGURED)]

    async def configure(
        self, route: Route, asked: Asked, scope: Scope, config: Config, etag: str
    ) -> Configured:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                version = await _expected(write, scope, etag) + 1
                operation = Operation.CREATED if version == 1 else Operation.UPDATED
                number = await _log(write, asked, CONFIG, operation)
                text = json.dumps(config.to_json())
                ids = [getattr(scope, name) for name in SCOPE_IDS]
                write.add(_CONFIGURE, *ids, text, version, number, self.now())
                answer = {"version": version}
                answers.add(asked.request, answer)
                answers.save(write)
        self.wakeups.publish(route.tenant)
        return Configured(scope, config, answer["version"])

    async def unconfigure(self, route: Route, asked: Asked, scope: Scope, etag: str) -> None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answers.get(asked.request) is None:
                if not await _expected(write, scope, etag):
                    raise ConfigNotFound
                await _log(write, asked, CONFIG, Operation.DELETED)
                write.add(_UNCONFIGURE, *(getattr(scope, name) for name in SCOPE_IDS))
                answers.add(asked.request, {})
                answers.save(write)
        self.wakeups.publish(route.tenant)

    async def _delegation(self, route: Route, delegation: UUID) -> Delegation:
        rows = await read(route, _GET_DELEGATION, delegation)
        if not rows:
            raise DelegationNotFound(delegation)
        return delegation_from(rows[0])


async def _expected(write: Write, scope: Scope, etag: str) -> int:
    """The version there is, 0 for none, if it is the one that is expected."""
    ids = [getattr(scope, name) for name in SCOPE_IDS]
    version: int = await write.conn.fetchval(_VERSION, write.route.tenant, *ids) or 0
    if etag not in ("", etag_of(version)):
        raise ConfigVersionMismatch(etag_of(version))
    return version


async def _log(write: Write, asked: Asked, resource: str, operation: Operation) -> int:
    return await write.append([Change(resource, operation, asked.origin)])


def _values(delegation: Delegation) -> tuple[object, ...]:
    return (
        delegation.id,
        delegation.holder,
        delegation.delegate,
        sorted(delegation.roles),
        sorted(delegation.kinds),
        *(getattr(delegation.scope, name) for name in SCOPE_IDS),
        delegation.expires_at,
        delegation.created_at,
    )
