"""What is done with documents: edits are placed here as far as can be, by the store for good."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.changes import Asked, Command
from libs.errors import AppError, invalid
from libs.ot.clocks import Fields, Time, Written, is_believable
from libs.ot.diff import diff
from libs.ot.operations import Misfit, Operation, check, growth, transform
from libs.scope import Scope
from libs.tenancy import Route
from services.sync.documents.domain.document import Document, Edit, Kind, Origin, State
from services.sync.documents.domain.editing import (
    Body,
    Create,
    Delete,
    TakeBack,
    Write,
    check_limits,
)
from services.sync.documents.domain.revisions import Revision, grouped
from services.sync.documents.errors import Behind, DocumentBusy
from services.sync.documents.ports import Documents, Outcome

_TRIES = 5  # of placing an edit, when more of the history is needed than was in memory
_AT_ONCE = 5000  # parts of operations that are put past each other before others get a turn
_SCANNED = 1000  # edits read at once to list revisions
_MOST_SCANNED = 20_000  # for one page of them


@dataclass(frozen=True, slots=True)
class New:
    """A document to create, as the caller gave it."""

    kind: Kind
    scope: Scope
    text: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """An edit, as the caller gave it."""

    base: int
    operation: Operation
    fields: Fields


@dataclass(frozen=True)
class DocumentOperations:
    """Every operation on documents, over the port. `person` is in whose name it is done."""

    documents: Documents
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    def begun(self, new: New, person: str) -> State:
        """A document as it is to be created.

        Raises:
            DocumentTooLarge, TooManyFields: As they say.
        """
        at = self.now()
        clock = Time(_milliseconds(at))
        fields = {name: Written(value, clock) for name, value in new.fields.items()}
        document = Document(self.new_id(), new.kind, new.scope, person, at, at)
        state = State.of(document, new.text, fields)
        check_limits(state)
        return state

    async def create(self, route: Route, asked: Asked, state: State) -> State:
        """Begins a document."""
        outcome = await self._submit(route, asked, Create(state))
        return outcome.state or await self._first(route, outcome.id)

    async def edit(
        self, route: Route, asked: Asked, document: UUID, change: Change, person: str
    ) -> Edit:
        """Changes the text, fields, or both."""
        at = self.now()
        _check_clocks(change.fields, at)
        body = Write(document, change.base, change.operation, change.fields, person, at)
        return await self._edited(route, asked, body)

    async def take_back(
        self, route: Route, asked: Asked, document: UUID, origin: Origin, person: str
    ) -> Edit:
        """Undoes or redoes."""
        return await self._edited(route, asked, TakeBack(document, origin, person, self.now()))

    async def restore(
        self, route: Route, asked: Asked, document: UUID, version: int, person: str
    ) -> Edit:
        """Makes the text what it was; what others write meanwhile stays."""
        then = await self.documents.at(route, document, version)
        now = await self.documents.newest(route, document)
        operation = await asyncio.to_thread(diff, now.text, then.text)
        body = Write(document, now.version, operation, {}, person, self.now(), Origin.RESTORE)
        return await self._edited(route, asked, body)

    async def delete(self, route: Route, asked: Asked, document: UUID) -> None:
        """Ends a document."""
        await self._submit(route, asked, Delete(document))

    async def get(self, route: Route, document: UUID, version: int | None) -> State:
        """A document as it is, or was."""
        if version is None:
            return await self.documents.newest(route, document)
        return await self.documents.at(route, document, version)

    async def revisions(
        self, route: Route, document: UUID, before: int, limit: int
    ) -> Sequence[Revision]:
        """The newest of the revisions that end at a version or before, at most `limit`."""
        await self.documents.newest(route, document)  # or there is none
        edits: list[Revision] = []
        joined: list[Revision] = []
        while len(edits) < _MOST_SCANNED:
            found = await self.documents.revisions(route, document, before, _SCANNED)
            edits += found
            joined = list(grouped(edits))
            if len(found) < _SCANNED or len(joined) > limit:
                break
            before = found[-1].base
        return joined[:limit]

    async def _first(self, route: Route, document: UUID) -> State:
        """A document as it was created, for who asks again."""
        known = await self.documents.newest(route, document)
        if known.document.oldest_version:
            return known
        return await self.documents.at(route, document, 0)

    async def _edited(self, route: Route, asked: Asked, body: Write | TakeBack) -> Edit:
        outcome = await self._submit(route, asked, body)
        assert outcome.edit is not None  # that is what it was
        return outcome.edit

    async def _submit(self, route: Route, asked: Asked, body: Body) -> Outcome:
        for _ in range(_TRIES):
            if isinstance(body, Write):
                body = await self._ahead(route, body)
            try:
                return await self.documents.submit(route, Command(*asked, body))
            except Behind as behind:
                await self.documents.deepened(route, body.id, behind.version)
        raise DocumentBusy

    async def _ahead(self, route: Route, body: Write) -> Write:
        """The edit as it is on the newest version that is known, so that little is left to be done
        under the tenant's lock. What does not fit is left to the store, which knows repeats."""
        try:
            state = await self.documents.known(route, body.id)
            if state.document.oldest_version <= body.base < state.reach:
                body = await self._caught_up(route, state, body)
            return await _advanced(state, body) if body.base < state.version else body
        except (AppError, Misfit):
            return body

    async def _caught_up(self, route: Route, state: State, body: Write) -> Write:
        """The edit past all that is not in memory; raises Misfit if it has never fitted."""
        length = len(state.text) - sum(growth(each.operation) for each in state.edits)
        operation = body.operation
        async for some in self.documents.missed(route, body.id, body.base, state.reach):
            late = [each.operation for each in some]
            operation, length = await _past(operation, late), length - sum(map(growth, late))
        check(body.operation, length)
        return replace(body, base=state.reach, operation=operation)


async def _advanced(state: State, body: Write) -> Write:
    """As `advanced`, with pauses for others where it takes long."""
    if body.base < state.reach:
        return body
    late = [each.operation for each in state.since(body.base)]
    check(body.operation, len(state.text) - sum(map(growth, late)))
    return replace(body, base=state.version, operation=await _past(body.operation, late))


async def _past(operation: Operation, late: Sequence[Operation]) -> Operation:
    """The operation after those that came since."""
    parts = 0
    for each in late:
        operation = transform(operation, each, "right")
        parts += len(operation) + len(each)
        if parts > _AT_ONCE:
            await asyncio.sleep(0)
            parts = 0
    return operation


def _check_clocks(fields: Fields, now: datetime) -> None:
    """Raises InvalidRequest for a time that is too far ahead of ours."""
    for field in fields.values():
        if not is_believable(field.time, _milliseconds(now)):
            raise invalid("fields.time", "is too far ahead of the server's clock")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
