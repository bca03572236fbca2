"""Commands, and what each makes of the document that it is for. Pure: the store loads and saves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.changes import Operation as Change
from libs.errors import invalid
from libs.ot.clocks import Fields, merge, values
from libs.ot.operations import NOTHING, Misfit, Operation
from libs.ot.ordering import place
from services.sync.documents.domain.document import Edit, Origin, State, taken_out
from services.sync.documents.domain.undoing import taking_back, to_redo, to_undo
from services.sync.documents.errors import (
    BaseNotReached,
    Behind,
    DocumentBusy,
    DocumentNotFound,
    DocumentTooLarge,
    HistoryCompacted,
    TooManyFields,
)

MOST_BYTES = 2**20  # of a text, in UTF-8
MOST_FIELDS = 32  # that have a value
_MOST_NAMES = 128  # of fields, those included that were removed
_NO_FIELDS: Fields = {}


@dataclass(frozen=True, slots=True)
class Create:
    """Begins a document."""

    state: State

    @property
    def id(self) -> UUID:
        """Of the document, as of every command."""
        return self.state.document.id


@dataclass(frozen=True, slots=True)
class Write:
    """Changes the text as an operation on the version `base` says, and fields, for a person."""

    id: UUID
    base: int
    operation: Operation
    fields: Fields
    person: str
    at: datetime
    origin: Origin = Origin.EDIT


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Undoes or redoes (`origin`) what the person did last."""

    id: UUID
    origin: Origin
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delete:
    """Ends a document."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Saving:
    """Notes that a knowledge item is about to be made of a version; one that was noted before
    stays, while it can be read."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Notes that a version is in a knowledge item: in the one that it was saved to before, or in
    one that was made of it (`is_new`), as was noted."""

    id: UUID
    item: UUID
    version: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Compact:
    """Forgets the edits up to the version of a state; the oldest of those that stay was made at
    `edits_since`."""

    state: State
    edits_since: datetime | None

    @property
    def id(self) -> UUID:
        """Of the document."""
        return self.state.document.id


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Replaces text and fields, and forgets every edit: what erasing a person makes of a document.
    Not if it has changed since `version`."""

    id: UUID
    version: int
    text: str
    fields: Fields
    at: datetime


Body = Create | Write | TakeBack | Delete | Saving | Saved | Compact | Rewrite


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a document: how the log tells it, if it does, the edit, if it was one, and the
    state that what is kept of edits begins at, if that is another one."""

    id: UUID
    before: State | None
    after: State | None
    change: Change | None = None
    edit: Edit | None = None
    oldest: State | None = None


def decide(states: Mapping[UUID, State], body: Body) -> Made:
    """What a command comes to.

    Raises:
        DocumentNotFound, BaseNotReached, HistoryCompacted, Behind, DocumentTooLarge, TooManyFields,
        NothingToUndo, NothingToRedo, DocumentBusy, InvalidRequest: It is refused.
    """
    if isinstance(body, Create):
        return Made(body.id, None, body.state, Change.CREATED)
    state = states.get(body.id)
    if state is None:
        raise DocumentNotFound(body.id)
    match body:
        case Write():
            return _edited(state, written(state, body))
        case TakeBack():
            return _edited(state, taken_back(state, body))
        case Delete():
            return Made(body.id, state, None, Change.DELETED)
        case Saving():
            return Made(body.id, state, _saving(state, body.version))
        case Saved():
            after = _saved(state, body)
            return Made(body.id, state, after, Change.UPDATED if after is not state else None)
        case Compact():
            return _compacted(state, body)
        case Rewrite():
            return _rewritten(state, body)


def advanced(state: State, body: Write) -> Write:
    """The same edit as it is on the newest version of the state.

    Raises:
        BaseNotReached, HistoryCompacted, Behind, InvalidRequest: It cannot be placed.
    """
    if body.operation == NOTHING and body.base <= state.version:
        return replace(body, base=state.version)  # fields go by their clocks, whatever is kept
    since = _since(state, body.base)
    try:
        operation = place(body.operation, [each.operation for each in since], len(state.text))
    except Misfit as exc:
        raise invalid("operation", f"does not fit the text of version {body.base}") from exc
    return replace(body, base=state.version, operation=operation)


def written(state: State, body: Write) -> Edit:
    """The edit, in its place; raises what `decide` does."""
    operation = advanced(state, body).operation
    _, fields = merge(state.fields, body.fields)
    return Edit(
        version=state.version + 1,
        operation=operation,
        deleted=taken_out(state.text, operation),
        fields=fields,
        person=body.person,
        at=body.at,
        origin=body.origin,
    )


def taken_back(state: State, body: TakeBack) -> Edit:
    """The edit that undoes or redoes; raises what `decide` does."""
    find = to_undo if body.origin is Origin.UNDO else to_redo
    target = find(state, body.person)
    operation = taking_back(state, target)
    return Edit(
        version=state.version + 1,
        operation=operation,
        deleted=taken_out(state.text, operation),
        fields=_NO_FIELDS,
        person=body.person,
        at=body.at,
        origin=body.origin,
        takes_back=target.version,
    )


def check_limits(state: State) -> None:
    """Raises DocumentTooLarge or TooManyFields."""
    if state.size_bytes > MOST_BYTES:
        raise DocumentTooLarge(MOST_BYTES)
    if len(values(state.fields)) > MOST_FIELDS or len(state.fields) > _MOST_NAMES:
        raise TooManyFields(MOST_FIELDS)


def _edited(state: State, edit: Edit) -> Made:
    after = state.after(edit)
    if edit.operation != NOTHING or edit.fields:
        check_limits(after)
    return Made(state.document.id, state, after, Change.UPDATED, edit)


def _since(state: State, base: int) -> tuple[Edit, ...]:
    if base > state.version:
        raise BaseNotReached(base, state.version)
    if base < state.document.oldest_version:
        raise HistoryCompacted(base, state.document.oldest_version)
    if base < state.reach:
        raise Behind(base)
    return state.since(base)


def _saving(state: State, version: int) -> State:
    noted = state.document.saving_version
    if noted is not None and noted >= state.document.oldest_version:
        return state
    return replace(state, document=replace(state.document, saving_version=version))


def _saved(state: State, body: Saved) -> State:
    """The same state where somebody else was faster."""
    document = state.document
    expected = (
        document.saving_version == body.version if body.is_new else document.item == body.item
    )
    if not expected:
        return state
    saving = None if body.is_new else document.saving_version
    document = replace(document, item=body.item, saved_version=body.version, saving_version=saving)
    return replace(state, document=document)


def _compacted(state: State, body: Compact) -> Made:
    oldest = body.state.version
    if oldest <= state.document.oldest_version:
        return Made(body.id, state, state)
    since = state.since(oldest)[0].at if state.reach <= oldest < state.version else body.edits_since
    document = replace(state.document, oldest_version=oldest, edits_since=since)
    after = state.compacted(document)
    return Made(body.id, state, after, Change.RECORDED, oldest=body.state)


def _rewritten(state: State, body: Rewrite) -> Made:
    if state.version != body.version:
        raise DocumentBusy
    version = state.version + 1
    document = replace(
        state.document,
        version=version,
        oldest_version=version,
        updated_at=body.at,
        edits_since=None,
    )
    after = State.of(document, body.text, body.fields)
    return Made(body.id, state, after, Change.UPDATED, oldest=after)
