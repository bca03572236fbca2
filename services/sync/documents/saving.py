"""Saving a document as an item of knowledge, with the caller's own rights.

Each step may be done again. That a new item is about to be made of a version is noted first:
whoever saves next, if this one is killed, makes the very same request, and gets the item that it
made.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from libs.changes import Command, Origin
from libs.errors import AppError, Kind
from libs.tenancy import Route
from services.sync.documents.domain.document import Document, State
from services.sync.documents.domain.drafts import Draft, draft_of
from services.sync.documents.domain.editing import Body, Saved, Saving
from services.sync.documents.errors import DocumentBusy
from services.sync.documents.ports import Credentials, Documents, Item, Knowledge

_TRIES = 8  # others may save, or change the item, at the same time


@dataclass(frozen=True)
class Save:
    """Writes the text into the item of the document: into a draft, or into a new one."""

    documents: Documents
    knowledge: Knowledge

    async def __call__(
        self, route: Route, origin: Origin, document: UUID, by: Credentials
    ) -> State:
        """The document as it was saved.

        Raises:
            NothingToSave, TooLargeToSave: As they say.
            AppError: What the knowledge service refuses.
        """
        for _ in range(_TRIES):
            state = await self.documents.newest(route, document)
            draft = draft_of(state)
            noted = state.document.saving_version
            if noted is not None and noted >= state.document.oldest_version:
                await self._make(route, origin, state.document, noted, by)
                continue
            item = await self._item(state.document, by)
            if item is not None and await self._write(item, draft, state, by):
                return await self._saved(route, origin, state, item)
            if item is None or not item.is_draft:
                await self._submit(route, origin, Saving(document, state.version))
        raise DocumentBusy

    async def _item(self, document: Document, by: Credentials) -> Item | None:
        return await self.knowledge.get(by, document.item) if document.item else None

    async def _write(self, item: Item, draft: Draft, state: State, by: Credentials) -> bool:
        """Whether the item says now what the document says."""
        if (item.title, item.content) == (draft.title, draft.content):
            return True
        if not item.is_draft:
            return False
        request = uuid5(state.document.id, f"save/{item.id}/{item.version}/{state.version}")
        try:
            await self.knowledge.update(by, request, item, draft)
        except AppError as error:
            if error.kind is Kind.CONFLICT:
                return False  # it was changed or proposed meanwhile
            raise
        return True

    async def _make(
        self, route: Route, origin: Origin, document: Document, version: int, by: Credentials
    ) -> None:
        """Makes a new item of a version, which takes the place of the one before it."""
        draft = draft_of(await self.documents.at(route, document.id, version))
        request = uuid5(document.id, f"save/{document.item}/{version}")
        item = await self.knowledge.create(by, request, draft)
        if document.item is not None:
            await self.knowledge.supersede(by, uuid5(request, "link"), item, document.item)
        await self._submit(route, origin, Saved(document.id, item, version, is_new=True))

    async def _saved(self, route: Route, origin: Origin, state: State, item: Item) -> State:
        document = state.document
        if document.saved_version != state.version:
            body = Saved(document.id, item.id, state.version, is_new=False)
            await self._submit(route, origin, body)
            return await self.documents.newest(route, document.id)
        return state

    async def _submit(self, route: Route, origin: Origin, body: Body) -> None:
        await self.documents.submit(route, Command(origin, None, body))
