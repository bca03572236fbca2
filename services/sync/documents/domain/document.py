"""Documents, their edits, and a document in one of its versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from libs.authorization.things import Thing, item_place
from libs.ot.clocks import Fields
from libs.ot.operations import NOTHING, Operation, apply, normal
from libs.scope import Scope

COLLECTION = "documents"
PLACE_IDS = ("org_id", "team_id", "project_id")
_LAYERS = (("project_id", "project"), ("team_id", "team"), ("org_id", "org"))
_STATUS = "draft"  # what is written here is no more than that until it is saved and accepted
KEPT = 1000  # edits in memory behind a version, and how far back an undo reaches; fewer of large
MOST_KEPT = 2**22  # texts: so many code points that were typed or deleted in them,
MOST_REPLAYED = 2**26  # and so many bytes of the text, all versions of an undo together


class Kind(StrEnum):
    """What a document is; the values are stored."""

    NOTE = "note"
    POLICY = "policy"


class Origin(StrEnum):
    """Where an edit came from; the values are stored."""

    EDIT = "edit"
    UNDO = "undo"
    REDO = "redo"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of a document beside its text.

    Attributes:
        oldest_version: Edits up to it are not kept.
        number: Of the change that made the version.
        item: The knowledge item that it was saved to last.
        saving_version: The version that a new item is being made of.
        edits_since: When the oldest edit that is kept was made; None where none is.
    """

    id: UUID
    kind: Kind
    scope: Scope
    author: str
    created_at: datetime
    updated_at: datetime
    version: int = 0
    oldest_version: int = 0
    number: int = 0
    item: UUID | None = None
    saved_version: int = 0
    saving_version: int | None = None
    edits_since: datetime | None = None

    @property
    def layer(self) -> str:
        """The narrowest that its place has."""
        return next((name for key, name in _LAYERS if getattr(self.scope, key)), "company")

    def place(self, tenant: str) -> Thing:
        """What decides who may do what to it: as of a draft of knowledge there."""
        return place(tenant, self.layer, self.scope)


def place(tenant: str, layer: str, scope: Scope) -> Thing:
    """Of a document, there or to be."""
    return item_place(tenant, layer, scope, _STATUS)


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit as it was ordered.

    Attributes:
        operation: On the text of the version before.
        deleted: What it deleted, one text for each delete: so it can be taken back.
        fields: That it changed.
        takes_back: The version of the edit that an undo or a redo takes back; else 0.
    """

    version: int
    operation: Operation
    deleted: tuple[str, ...]
    fields: Fields
    person: str
    at: datetime
    origin: Origin = Origin.EDIT
    takes_back: int = 0
    request_id: UUID | None = None
    number: int = 0

    @classmethod
    def forgotten(cls, version: int, at: datetime) -> Self:
        """One that was taken, and of which nothing else is known any more."""
        return cls(version, NOTHING, (), {}, "", at)

    @property
    def inserted_count(self) -> int:
        """Code points."""
        return sum(len(part) for part in self.operation if isinstance(part, str))

    @property
    def deleted_count(self) -> int:
        """Code points."""
        return sum(map(len, self.deleted))

    @property
    def size(self) -> int:
        """Code points that it holds."""
        return self.inserted_count + self.deleted_count

    def inverse(self) -> Operation:
        """What takes it back, for the text that it leads to."""
        deleted = iter(self.deleted)
        return normal(_inverted(part, deleted) for part in self.operation)


def _inverted(part: int | str, deleted: Iterator[str]) -> int | str:
    if isinstance(part, str):
        return -len(part)
    return part if part > 0 else next(deleted)


@dataclass(frozen=True, slots=True)
class State:
    """A document in a version: its text, its fields, and the edits that led there, as many as are
    kept, without gaps.

    Attributes:
        size_bytes: Of the text in UTF-8.
        edits_size: Of all edits together.
        is_cut: Whether more edits would be kept if they were not so large.
    """

    document: Document
    text: str
    fields: Fields
    size_bytes: int
    edits: tuple[Edit, ...] = ()
    edits_size: int = 0
    is_cut: bool = False

    @classmethod
    def of(cls, document: Document, text: str, fields: Fields) -> Self:
        """Without edits before it."""
        return cls(document, text, fields, len(text.encode()))

    @property
    def version(self) -> int:
        """The newest."""
        return self.document.version

    @property
    def reach(self) -> int:
        """The version after which every edit is here."""
        return self.version - len(self.edits)

    @property
    def first_to_undo(self) -> int:
        """The version after which edits can be taken back."""
        most = min(KEPT, max(1, MOST_REPLAYED // max(1, self.size_bytes)))
        return max(self.document.oldest_version, self.version - most)

    def since(self, version: int) -> tuple[Edit, ...]:
        """The edits after a version that is not before `reach`."""
        return self.edits[len(self.edits) - (self.version - version) :]

    def after(self, edit: Edit) -> Self:
        """As the next edit makes it."""
        grown = sum(len(part.encode()) for part in edit.operation if isinstance(part, str))
        document = replace(
            self.document,
            version=edit.version,
            number=edit.number,
            updated_at=edit.at,
            edits_since=self.document.edits_since or edit.at,
        )
        return replace(
            self,
            document=document,
            text=apply(self.text, edit.operation) if edit.operation != NOTHING else self.text,
            fields={**self.fields, **edit.fields} if edit.fields else self.fields,
            size_bytes=self.size_bytes + grown - sum(len(each.encode()) for each in edit.deleted),
        )._keeping((*self.edits, edit), self.edits_size + edit.size)

    def edit(self, version: int) -> Edit:
        """The one that made a version after `reach`."""
        return self.edits[version - self.reach - 1]

    def text_before(self, edits: Sequence[Edit]) -> str:
        """The text before the last edits of these."""
        text = self.text
        for edit in reversed(edits):
            text = apply(text, edit.inverse())
        return text

    def deepened(self, earlier: tuple[Edit, ...]) -> Self:
        """With the edits that come right before those that it has, as far as there is room."""
        size = self.edits_size + sum(each.size for each in earlier)
        return self._keeping((*earlier, *self.edits), size)

    def compacted(self, document: Document) -> Self:
        """As the document is now: edits that it forgot are not kept."""
        edits = self.since(max(document.oldest_version, self.reach))
        size = sum(each.size for each in edits)
        return replace(self, document=document, edits=edits, edits_size=size)

    def numbered(self, number: int, edits: Sequence[Edit]) -> Self:
        """With the number of its newest change, and its newest edits as they are with theirs."""
        document = replace(self.document, number=number)
        own = [each for each in edits if each.version > self.reach]
        kept = self.edits[: len(self.edits) - len(own)]
        return replace(self, document=document, edits=(*kept, *own))

    def _keeping(self, edits: tuple[Edit, ...], size: int) -> Self:
        """With these edits, of so much in all, but for those that there is no room for."""
        first, size = room(edits, size)
        is_cut = self.is_cut or first > max(0, len(edits) - KEPT)
        return replace(self, edits=edits[first:], edits_size=size, is_cut=is_cut)


def room(edits: Sequence[Edit], size: int) -> tuple[int, int]:
    """Where those begin, of edits of so much in all, that there is room for; how much they are."""
    first = max(0, len(edits) - KEPT)
    size -= sum(each.size for each in edits[:first])
    while size > MOST_KEPT and first < len(edits) - 1:
        size -= edits[first].size
        first += 1
    return first, size


def taken_out(text: str, operation: Operation) -> tuple[str, ...]:
    """What the operation deletes from the text, one text for each delete."""
    found, place_in_text = [], 0
    for part in operation:
        if isinstance(part, str):
            continue
        if part < 0:
            found.append(text[place_in_text : place_in_text - part])
        place_in_text += abs(part)
    return tuple(found)


def edit_id(document: UUID, version: int) -> UUID:
    """What the sealed form of an edit is bound to."""
    return uuid5(document, f"edit/{version}")


def snapshot_id(document: UUID, version: int) -> UUID:
    """What the sealed form of a snapshot is bound to."""
    return uuid5(document, f"snapshot/{version}")
