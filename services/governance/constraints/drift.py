"""Reports of how far a scope is from its policies, and what does not count in them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked
from libs.constraints import PatternKind, Severity
from libs.constraints.checking import ChangeSet
from libs.constraints.drift import Drift, Finding, Suppression, compare, measure
from libs.constraints.patterns import BadPattern, compiled
from libs.constraints.stored import COLLECTION
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import DRIFT_REPORT, DRIFT_SUPPRESSION_DOCUMENT
from libs.errors import invalid
from libs.scope import Scope
from libs.tenancy import Route
from services.governance.constraints.operations import Judging
from services.governance.constraints.ports import Reports, StoredReport, StoredSuppression

MOST_SUPPRESSIONS = 1000  # that are looked at
_LONGEST = timedelta(days=366)
_FIELD = "drift_suppression"


@dataclass(frozen=True, slots=True)
class Report:
    """How far a scope was from its policies. `previous`: the report before, None for the first."""

    id: UUID
    scope: Scope
    drift: Drift
    new: Sequence[Finding]
    resolved: Sequence[Finding]
    previous: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hidden:
    """A suppression with what is sealed in it."""

    stored: StoredSuppression
    pattern: str
    reason: str

    @property
    def suppression(self) -> Suppression:
        """What findings are measured by."""
        policy = self.stored.policy
        return Suppression(
            f"{COLLECTION}/{policy}" if policy else "", self.pattern, self.stored.expires_at
        )


@dataclass(frozen=True)
class DriftOperations:
    """Making and reading reports, and suppressing findings."""

    judging: Judging
    reports: Reports
    keyring: Keyring
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def report(
        self,
        route: Route,
        asked: Asked,
        scope: Scope,
        changes: ChangeSet,
        derive: bool,
        adopted: Mapping[str, int] | None,
    ) -> Report:
        """Judges a state and keeps the outcome; raises CheckTooLarge, RequestIdReused."""
        resolution = await self.judging.resolve(route, scope)
        verdict = await self.judging.judge(resolution, changes, derive)
        at = self.now()
        hidden = await self.suppressions(route, None, MOST_SUPPRESSIONS)
        drift = measure(resolution, verdict, adopted, [each.suppression for each in hidden], at)
        last = await self.reports.last(route, scope)
        before = await self._opened(route, last) if last else None
        difference = compare(before.drift.findings if before else (), drift.findings)
        report = Report(
            id=self.new_id(),
            scope=scope,
            drift=drift,
            new=difference.new,
            resolved=difference.resolved,
            previous=before.id if before else None,
            created_at=at,
        )
        kept = await self.reports.add(route, asked, await self._sealed(route, report))
        return report if kept == report.id else await self.get(route, kept)

    async def get(self, route: Route, report: UUID) -> Report:
        """One report; raises ReportNotFound."""
        return await self._opened(route, await self.reports.get(route, report))

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Report]:
        """Newest first, those older than `before`."""
        stored = await self.reports.page(route, where, before, limit)
        return [await self._opened(route, each) for each in stored]

    async def suppress(self, route: Route, asked: Asked, draft: "SuppressionDraft") -> Hidden:
        """Makes findings not count; raises InvalidRequest, RequestIdReused."""
        now = self.now()
        _check(draft, now)
        text = json.dumps({"pattern": draft.pattern, "reason": draft.reason}).encode()
        new = self.new_id()
        plain = Plain("", DRIFT_SUPPRESSION_DOCUMENT, new, text)
        (document,) = await self.keyring.seal(route, [plain])
        stored = StoredSuppression(new, draft.policy, draft.by, document, draft.expires_at, now)
        kept = await self.reports.suppress(route, asked, stored)
        if kept != new:
            stored = await self.reports.suppression(route, kept)
        (hidden,) = await self._hidden(route, [stored])
        return hidden

    async def suppressions(self, route: Route, before: UUID | None, limit: int) -> list[Hidden]:
        """Those that have not expired, newest first."""
        stored = await self.reports.suppressions(route, self.now(), before, limit)
        return await self._hidden(route, stored)

    async def _hidden(self, route: Route, stored: Sequence[StoredSuppression]) -> list[Hidden]:
        sealed = [Sealed(DRIFT_SUPPRESSION_DOCUMENT, each.id, each.document) for each in stored]
        documents = [json.loads(text) for text in await self.keyring.open(route, sealed)]
        return [Hidden(each, **document) for each, document in zip(stored, documents, strict=True)]

    async def _sealed(self, route: Route, report: Report) -> StoredReport:
        text = json.dumps(
            {
                "drift": asdict(report.drift),
                "new": [asdict(each) for each in report.new],
                "resolved": [asdict(each) for each in report.resolved],
                "previous": str(report.previous) if report.previous else None,
            }
        )
        plain = Plain("", DRIFT_REPORT, report.id, text.encode())
        (blob,) = await self.keyring.seal(route, [plain])
        return StoredReport(report.id, report.scope, blob, report.created_at)

    async def _opened(self, route: Route, stored: StoredReport) -> Report:
        sealed = Sealed(DRIFT_REPORT, stored.id, stored.report)
        (text,) = await self.keyring.open(route, [sealed])
        values = json.loads(text)
        drift = {**values["drift"], "findings": _findings(values["drift"]["findings"])}
        return Report(
            id=stored.id,
            scope=stored.scope,
            drift=Drift(**drift),
            new=_findings(values["new"]),
            resolved=_findings(values["resolved"]),
            previous=UUID(values["previous"]) if values["previous"] else None,
            created_at=stored.created_at,
        )


@dataclass(frozen=True, slots=True)
class SuppressionDraft:
    """A suppression to create, as the caller gave it; the request calls it `drift_suppression`."""

    policy: UUID | None
    pattern: str
    reason: str
    expires_at: datetime
    by: str


def _check(draft: SuppressionDraft, now: datetime) -> None:
    if not draft.policy and not draft.pattern:
        raise invalid(f"{_FIELD}.policy", "a policy or a pattern is needed")
    if not now < draft.expires_at <= now + _LONGEST:
        raise invalid(f"{_FIELD}.expire_time", "must be in the future, at most 366 days")
    if draft.pattern:
        try:
            compiled(PatternKind.REGEX, draft.pattern)
        except BadPattern as exc:
            raise invalid(f"{_FIELD}.pattern", str(exc)) from exc


def _findings(values: Sequence[dict[str, Any]]) -> list[Finding]:
    return [Finding(**{**each, "severity": Severity(each["severity"])}) for each in values]
