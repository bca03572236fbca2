"""Policies, drift reports and suppressions in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.changes import Asked, Change, Command, Operation
from libs.constraints import POLICY_IDS
from libs.constraints.store import PolicyTable
from libs.constraints.stored import Stored
from libs.scope import Scope
from libs.spine import Write, read, writing
from libs.spine.entities import Entities, Rules
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.constraints.domain import Body, decide, targets
from services.governance.constraints.errors import ReportNotFound, SuppressionNotFound
from services.governance.constraints.ports import StoredReport, StoredSuppression

_REPORT = f"id, {', '.join(POLICY_IDS)}, report, created_at"
_ADD_REPORT = f"""
    INSERT INTO aeterna.drift_report (tenant_id, {_REPORT}) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LAST_REPORT = f"""
    SELECT {_REPORT} FROM aeterna.drift_report
    WHERE tenant_id = $1 AND org_id = $2 AND team_id = $3 AND project_id = $4
    ORDER BY id DESC LIMIT 1
"""
_GET_REPORT = f"SELECT {_REPORT} FROM aeterna.drift_report WHERE tenant_id = $1 AND id = $2"
_REPORTS = f"""
    SELECT {_REPORT} FROM aeterna.drift_report
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_SUPPRESSION = "id, policy, author, document, expires_at, created_at"
_SUPPRESS = f"""
    INSERT INTO aeterna.drift_suppression (tenant_id, {_SUPPRESSION})
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_GET_SUPPRESSION = f"""
    SELECT {_SUPPRESSION} FROM aeterna.drift_suppression WHERE tenant_id = $1 AND id = $2
"""
_SUPPRESSIONS = f"""
    SELECT {_SUPPRESSION} FROM aeterna.drift_suppression
    WHERE tenant_id = $1 AND expires_at > $2 AND ($3::uuid IS NULL OR id < $3)
    ORDER BY id DESC LIMIT $4
"""
_UNSUPPRESS = """
    DELETE FROM aeterna.drift_suppression WHERE tenant_id = $1 AND id = $2 RETURNING true
"""


class PostgresPolicies(PolicyTable):
    """`Policies` in PostgreSQL."""

    def __init__(self, wakeups: Wakeups) -> None:
        super().__init__()
        self._entities = Entities(self, Rules[Stored, Body](decide, targets), wakeups)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)


@dataclass(frozen=True)
class PostgresReports:
    """`Reports` in PostgreSQL."""

    wakeups: Wakeups

    async def add(self, route: Route, asked: Asked, report: StoredReport) -> UUID:
        ids = (getattr(report.scope, name) for name in POLICY_IDS)
        values = (report.id, *ids, report.report, report.created_at)
        return await self._add(route, asked, "driftReports", _ADD_REPORT, values)

    async def last(self, route: Route, scope: Scope) -> StoredReport | None:
        ids = [getattr(scope, name) for name in POLICY_IDS]
        rows = await read(route, _LAST_REPORT, *ids)
        return _report(rows[0]) if rows else None

    async def get(self, route: Route, report: UUID) -> StoredReport:
        rows = await read(route, _GET_REPORT, report)
        if not rows:
            raise ReportNotFound(report)
        return _report(rows[0])

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[StoredReport]:
        conditions, values = to_sql(where, 4)
        rows = await read(route, _REPORTS.format(where=conditions), before, limit, *values)
        return [_report(row) for row in rows]

    async def suppress(self, route: Route, asked: Asked, suppression: StoredSuppression) -> UUID:
        each = suppression
        values = (
            each.id,
            each.policy,
            each.author,
            each.document,
            each.expires_at,
            each.created_at,
        )
        return await self._add(route, asked, "driftSuppressions", _SUPPRESS, values)

    async def suppressions(
        self, route: Route, now: datetime, before: UUID | None, limit: int
    ) -> list[StoredSuppression]:
        rows = await read(route, _SUPPRESSIONS, now, before, limit)
        return [StoredSuppression(**row) for row in rows]

    async def suppression(self, route: Route, suppression: UUID) -> StoredSuppression:
        rows = await read(route, _GET_SUPPRESSION, suppression)
        if not rows:
            raise SuppressionNotFound(suppression)
        return StoredSuppression(**rows[0])

    async def unsuppress(self, route: Route, asked: Asked, suppression: UUID) -> None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answers.get(asked.request) is None:
                removed = await write.conn.fetchval(_UNSUPPRESS, route.tenant, suppression)
                if not removed:
                    raise SuppressionNotFound(suppression)
                await _log(write, asked, f"driftSuppressions/{suppression}", Operation.DELETED)
                answers.add(asked.request, {})
                answers.save(write)
        self.wakeups.publish(route.tenant)

    async def _add(
        self, route: Route, asked: Asked, collection: str, sql: str, values: Sequence[object]
    ) -> UUID:
        """`values` begin with the id of what is new."""
        new = str(values[0])
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is None:
                await _log(write, asked, f"{collection}/{new}", Operation.CREATED)
                write.add(sql, *values)
                answer = {"id": new}
                answers.add(asked.request, answer)
                answers.save(write)
        self.wakeups.publish(route.tenant)
        return UUID(answer["id"])


async def _log(write: Write, asked: Asked, resource: str, operation: Operation) -> None:
    await write.append([Change(resource, operation, asked.origin)])


def _report(row: asyncpg.Record) -> StoredReport:
    scope = Scope(**{name: row[name] for name in POLICY_IDS})
    return StoredReport(row["id"], scope, row["report"], row["created_at"])
