"""Forgets old edits: now and then, in every replica, for the tenants that have some."""

from dataclasses import dataclass

from libs.changes import Command, Origin
from libs.service.rounds import TenantRounds
from libs.tenancy import Route
from libs.tenancy.directory import Directory
from services.sync.documents.domain.editing import Body, Compact
from services.sync.documents.ports import Documents
from services.sync.documents.settings import DocumentSettings
from services.sync.documents.store.aging import Aged, OldEdits

SERVICE = Origin("service:sync")


@dataclass(frozen=True)
class Compaction:
    """What the rounds do for a tenant. Two replicas that do the same at once do it once."""

    documents: Documents
    old: OldEdits

    async def __call__(self, route: Route) -> None:
        """Until nothing is old."""
        while aged := await self.old.find(route):
            for each in aged:
                await self._forget(route, each)

    async def _forget(self, route: Route, aged: Aged) -> None:
        state = await self.documents.at(route, aged.document, aged.version)
        body: Body = Compact(state, aged.edits_since)
        await self.documents.submit(route, Command(SERVICE, None, body))


def compacting(
    documents: Documents, directory: Directory, settings: DocumentSettings
) -> TenantRounds:
    """The rounds over all tenants."""
    old = OldEdits(settings.kept_for, settings.kept_versions)
    work, interval = Compaction(documents, old), settings.compaction_interval
    return TenantRounds("documents", directory, old.whom, work, interval)
