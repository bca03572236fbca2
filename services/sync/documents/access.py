"""Who may do what to which documents: asks the policies where documents are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.aip.filtering import Among
from libs.authorization.seeing import MOST, sight_of
from libs.authorization.things import KNOWLEDGE_ITEM, Sight
from libs.service.caller import Caller
from services.sync.documents.errors import DocumentNotFound
from services.sync.documents.ports import Documents

# In rows of documents: SQL.
_COLUMNS: Mapping[str, str] = {
    "layer": "layer",
    "org": "org_id",
    "team": "team_id",
    "project": "project_id",
    "status": "'draft'",
}


@dataclass(frozen=True)
class Access:
    """Over the documents, whose places decide."""

    documents: Documents

    async def demand(self, current: Caller, action: str, document: UUID) -> None:
        """Raises PermissionDenied unless the caller may do this to the document, if there is one:
        else the operation will say so. A document never moves: its place may be remembered."""
        try:
            known = await self.documents.known(current.route, document)
        except DocumentNotFound:
            return
        current.demand(action, known.document.place(current.tenant))

    async def seen(self, current: Caller, action: str) -> list[Among]:
        """The documents that the caller may do this to, as conditions on rows."""

        async def places(attributes: Sequence[str]) -> list[tuple[str, ...]]:
            columns = [_COLUMNS[each] for each in attributes]
            return await self.documents.places(current.route, columns, MOST)

        sight = await sight_of(current.asker, action, KNOWLEDGE_ITEM, current.tenant, places)
        return _restricting(sight)


def _restricting(sight: Sight) -> list[Among]:
    if not sight.attributes:
        return []
    columns = tuple(_COLUMNS.get(each, "''") for each in sight.attributes)
    return [Among(sight.attributes, columns, tuple(sorted(sight.places)))]
