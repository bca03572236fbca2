"""A document in the store, and the replicas of a server in front of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from libs.ot import Operation, apply
from libs.ot.ordering import place
from libs.ot.shared import Edit, Request
from libs.ot.undo import Origin, Step, begin, open_to_undo, take_back

_SNAPSHOT_EVERY = 16


class Undo(NamedTuple):
    """Asks to take back the author's latest edit, or to make it again."""

    request_id: str
    origin: Origin


class Missed(NamedTuple):
    """Asks for the edits after a version."""

    since: int


class Read(NamedTuple):
    """Asks for the document."""


class Edits(NamedTuple):
    """Tells of edits."""

    edits: tuple[Edit, ...]


class Compacted(NamedTuple):
    """Edits that a request needs are gone; the request's id, if it is one that edits."""

    request_id: str | None


class Text(NamedTuple):
    """The document."""

    version: int
    text: str


class Refused(NamedTuple):
    """There is nothing to do."""

    request_id: str


Asked = Request | Undo | Missed | Read
Told = Edits | Compacted | Text | Refused


@dataclass(frozen=True, slots=True)
class Entry:
    """An edit in the store."""

    edit: Edit
    author: int
    origin: Origin
    base: int  # the oldest version that had to be known to decide it
    takes_back: int | None = None

    @property
    def step(self) -> Step:
        return Step(self.edit.version, self.edit.operation, self.takes_back)


@dataclass(slots=True)
class Store:
    """One document: its edits, snapshots, and the requests that were answered."""

    initial: str
    text: str
    entries: list[Entry] = field(default_factory=list)  # all of them, for the checks
    snapshots: dict[int, str] = field(default_factory=dict)
    answered: dict[str, Entry] = field(default_factory=dict)
    oldest: int = 0  # edits up to this version count as gone

    @classmethod
    def holding(cls, text: str) -> "Store":
        return cls(text, text, snapshots={0: text})

    @property
    def version(self) -> int:
        return len(self.entries)

    @property
    def kept(self) -> list[Entry]:
        return self.entries[self.oldest :]

    def commit(self, entry: Entry) -> bool:
        """Whether it is there now: not if another edit, or a compaction, was first."""
        edit = entry.edit
        if edit.version != self.version + 1 or entry.base < self.oldest:
            return False
        assert edit.request_id not in self.answered
        self.text = apply(self.text, edit.operation)
        self.entries.append(entry)
        self.answered[edit.request_id] = entry
        if self.version % _SNAPSHOT_EVERY == 0:
            self.snapshots[self.version] = self.text
        return True

    def text_at(self, version: int) -> str:
        """From the snapshot before it, and the tail."""
        start = version - version % _SNAPSHOT_EVERY
        text = self.snapshots[start]
        for entry in self.entries[start:version]:
            text = apply(text, entry.edit.operation)
        return text

    def since(self, version: int) -> tuple[Edit, ...]:
        return tuple(entry.edit for entry in self.entries[version:])

    def compact(self, kept: int) -> None:
        self.oldest = max(self.oldest, self.version - kept)


class Prepared(NamedTuple):
    """What a replica has decided and not committed yet."""

    author: int
    asked: Request | Undo
    entry: Entry


class Replica:
    """A process of the server: what it holds is gone when it is killed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_running = True
        self._told = store.version  # what its clients were told of
        self.prepared: list[Prepared] = []

    def ask(self, author: int, asked: Asked) -> Told | None:
        """The answer; none yet when there is something to commit first."""
        store = self._store
        if isinstance(asked, Read):
            return Text(store.version, store.text)
        if isinstance(asked, Missed):
            return Edits(store.since(asked.since)) if asked.since >= store.oldest else Compacted("")
        if answered := store.answered.get(asked.request_id):
            return Edits((answered.edit,))
        decide = self._typed if isinstance(asked, Request) else self._undo
        decided = decide(author, asked)  # type: ignore[arg-type]  # each for its kind
        if not isinstance(decided, Entry):
            return decided
        self.prepared.append(Prepared(author, asked, decided))
        return None

    def commit(self) -> tuple[int, Told | None]:
        """Commits what was decided first, or decides again when another edit was faster."""
        author, asked, entry = self.prepared.pop(0)
        if self._store.commit(entry):
            return author, Edits((entry.edit,))
        return author, self.ask(author, asked)

    def news(self) -> tuple[Edit, ...]:
        """What clients were not told of yet."""
        begin, self._told = self._told, self._store.version
        return self._store.since(begin)

    def _typed(self, author: int, asked: Request) -> Entry | Compacted:
        store = self._store
        if asked.base_version < store.oldest:
            return Compacted(asked.request_id)
        since = [edit.operation for edit in store.since(asked.base_version)]
        operation = place(asked.operation, since, len(store.text))
        edit = Edit(store.version + 1, operation, asked.request_id)
        return Entry(edit, author, Origin.EDIT, asked.base_version)

    def _undo(self, author: int, asked: Undo) -> Entry | Refused:
        own = (
            (entry.edit.version, entry.origin)
            for entry in self._store.kept
            if entry.author == author
        )
        done, undone = open_to_undo(own)
        versions = done if asked.origin is Origin.UNDO else undone
        if not versions:
            return Refused(asked.request_id)
        first, operation = self._taking_back(versions[-1])
        edit = Edit(self._store.version + 1, operation, asked.request_id)
        return Entry(edit, author, asked.origin, first - 1, versions[-1])

    def _taking_back(self, target: int) -> tuple[int, Operation]:
        """Where it begins, too."""
        store = self._store
        links = {entry.edit.version: entry.takes_back for entry in store.kept if entry.takes_back}
        first = begin(
            {version: each for version, each in links.items() if each > store.oldest}, target
        )
        steps = [entry.step for entry in store.entries[first - 1 :]]
        return first, take_back(store.text_at(first - 1), steps, target)
