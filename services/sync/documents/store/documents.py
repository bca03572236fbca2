"""Documents in PostgreSQL: edits that arrive together share one transaction.

Who holds the tenant's lock has the last version: what others wrote is read, edits are placed,
sealed with a key that is at hand, and stored, all under the lock. So nothing has to be tried again
because another replica was faster, and no two edits can make one version.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg

from libs.changes import Change, Command, Operation
from libs.encryption.keyring import Keyring, Sealer
from libs.errors import AppError
from libs.metrics import WRITE_GROUP
from libs.spine import Write as Transaction
from libs.spine import writing
from libs.spine.group import GroupCommit
from libs.spine.requests import KEY, Answers, forget
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.sync.documents.domain.document import COLLECTION, Document, Edit, State
from services.sync.documents.domain.editing import Body, Create, Made, TakeBack, Write, decide
from services.sync.documents.errors import (
    DocumentBusy,
    DocumentNotFound,
    HistoryCompacted,
)
from services.sync.documents.ports import Outcome
from services.sync.documents.store.reading import (
    CATCH_UP,
    MOST_MISSED,
    MOST_OPENED,
    Outdated,
    Reading,
)
from services.sync.documents.store.recent import Recent
from services.sync.documents.store.saving import Saving, save

_TRIES = 5
_SEALED = 4  # values of a command at most: edit, fields, two snapshots
_COMPACTED = "document.compacted"
_PARTS, _TYPED = 64, 2**15  # parts of an operation, code points, that weigh as much as an edit


@dataclass(slots=True)
class _Work:
    """What became of a command: what it made, or what was answered to its request before."""

    command: Command[Body]
    made: Made | None = None
    repeated: Mapping[str, Any] | None = None

    @property
    def change(self) -> Change | None:
        """How the log tells it; None where it does not."""
        if self.made is None or self.made.change is None:
            return None
        about = self.made.before or self.made.after
        assert about is not None  # something was there, or is now
        return Change(
            resource=f"{COLLECTION}/{self.made.id}",
            operation=self.made.change,
            origin=self.command.origin,
            layer=about.document.layer,
            event=_COMPACTED if self.made.change is Operation.RECORDED else "",
            details=_details(about.document, self.made.edit),
        )


@dataclass(slots=True)
class _Group:
    """Commands in one transaction, against what the ones before them left."""

    before: Mapping[UUID, State]
    answers: Answers = field(default_factory=Answers)
    states: dict[UUID, State] = field(default_factory=dict)

    def attempt_all(self, commands: Sequence[Command[Body]]) -> list[_Work | AppError]:
        """What becomes of each; refused, it leaves nothing."""
        self.states = dict(self.before)
        return [self._attempt(command) for command in commands]

    def _attempt(self, command: Command[Body]) -> _Work | AppError:
        try:
            before = self.answers.get(command.request)
            if before is not None:
                return _Work(command, repeated=before)
            made = decide(self.states, command.body)
        except AppError as error:
            return error
        if made.edit is not None:
            made = replace(made, edit=_asked(made.edit, command))
        self.states.pop(made.id, None)
        if made.after is not None:
            self.states[made.id] = made.after
        version = made.after.version if made.after else 0
        self.answers.add(command.request, {"document": str(made.id), "version": version})
        return _Work(command, made)


async def _attempted(group: _Group, commands: Sequence[Command[Body]]) -> list[_Work | AppError]:
    """What becomes of each. To take back the last of many may take tenths of a second, in which
    others have their turns."""
    if any(isinstance(command.body, TakeBack) for command in commands):
        return await asyncio.to_thread(group.attempt_all, commands)
    return group.attempt_all(commands)


def _weight(command: Command[Body]) -> int:
    """Large edits take long to be placed and stored: fewer of them share a transaction."""
    if not isinstance(command.body, Write):
        return 1
    operation = command.body.operation
    typed = sum(len(part) for part in operation if isinstance(part, str))
    return 1 + len(operation) // _PARTS + typed // _TYPED


def _details(document: Document, edit: Edit | None) -> Mapping[str, str]:
    """Where the document is, and which version an edit has made."""
    place = document.scope.place()
    return {**place, "version": str(edit.version)} if edit else place


def _asked(edit: Edit, command: Command[Body]) -> Edit:
    """The edit with the request that it came with."""
    if command.request is None:
        return edit
    return replace(edit, request_id=command.request.id)


class PostgresDocuments(Reading):
    """`Documents` in PostgreSQL."""

    def __init__(self, keyring: Keyring, recent: Recent, wakeups: Wakeups) -> None:
        super().__init__(keyring, recent)
        self._wakeups = wakeups
        self._group = GroupCommit[Command[Body], _Work](self._write, weigh=_weight)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._group.close()

    async def submit(self, route: Route, command: Command[Body]) -> Outcome:
        """See `Documents`."""
        work = await self._group.submit(route, command)
        if work.repeated is not None:
            return await self._answered(route, work.command, work.repeated)
        assert work.made is not None  # one or the other
        made = work.made
        return Outcome(made.id, made.after.version if made.after else 0, made.edit, made.after)

    async def _answered(
        self, route: Route, command: Command[Body], answer: Mapping[str, Any]
    ) -> Outcome:
        document, version = UUID(answer["document"]), int(answer["version"])
        if not version:
            return Outcome(document, version, None)
        try:
            edits, _ = await self.edits(route, document, version - 1, 1)
        except HistoryCompacted:  # it was taken; what it was is forgotten
            at = (await self.newest(route, document)).document.updated_at
            return Outcome(document, version, _asked(Edit.forgotten(version, at), command))
        return Outcome(document, version, edits[0])

    async def _write(
        self, route: Route, commands: Sequence[Command[Body]]
    ) -> Sequence[_Work | AppError]:
        WRITE_GROUP.labels(COLLECTION).observe(len(commands))
        repeats = False
        for _ in range(_TRIES):
            known = await self._all_known(route, commands)
            sealer = await self.keyring.sealer(route, "", _SEALED * len(commands))
            try:
                done = await self._transact(route, commands, known, sealer, repeats=repeats)
            except Outdated as exc:
                for document in exc.documents:
                    self.recent.forget(route, document)
            except asyncpg.UniqueViolationError as exc:
                if exc.constraint_name != KEY or repeats:
                    raise
                repeats = True
            else:
                self._wakeups.publish(route.tenant)
                return done
        raise DocumentBusy

    async def _all_known(
        self, route: Route, commands: Sequence[Command[Body]]
    ) -> dict[UUID, State]:
        """The documents of the commands, as far as they exist."""
        known = {}
        for document in {each.body.id for each in commands if not isinstance(each.body, Create)}:
            try:
                known[document] = await self.known(route, document)
            except DocumentNotFound:
                continue  # so it will be refused
        return known

    async def _transact(
        self,
        route: Route,
        commands: Sequence[Command[Body]],
        known: Mapping[UUID, State],
        sealer: Sealer,
        *,
        repeats: bool,
    ) -> Sequence[_Work | AppError]:
        """All commands in one transaction. What was answered before is looked up when some of them
        are `repeats`, or refused, which a repeat may be: few are, and the others save a query."""
        async with writing(route) as write:
            group = _Group(await self._before(write, known))
            done = await _attempted(group, commands)
            if repeats or any(isinstance(each, AppError) for each in done):
                requests = [command.request for command in commands]
                group.answers = await Answers.load(write, requests)
                done = await _attempted(group, commands)
            works = [each for each in done if isinstance(each, _Work)]
            after = await _store(write, group, works, sealer)
            group.answers.save(write)
        for document in {*known, *after}:
            if document in after:
                self.recent.keep(route, after[document])
            else:
                self.recent.forget(route, document)
        return done

    async def _before(
        self, write: Transaction, known: Mapping[UUID, State]
    ) -> Mapping[UUID, State]:
        """The documents as they are; nobody else can write them any more."""
        if not known:
            return {}
        versions = [each.version for each in known.values()]
        rows = await write.conn.fetch(
            CATCH_UP, write.route.tenant, list(known), versions, MOST_MISSED, MOST_OPENED
        )
        return await self.caught_up(write.route, list(known.values()), rows)


async def _store(
    write: Transaction, group: _Group, works: Sequence[_Work], sealer: Sealer
) -> Mapping[UUID, State]:
    """Writes down what was made; the documents as they are now, with the numbers of changes."""
    changes = [(work, change) for work in works if (change := work.change)]
    after = dict(group.states)
    edits: dict[UUID, list[Edit]] = {}
    if changes:
        first = await write.append([change for _, change in changes])
        forget(write, first, len(changes))
        numbers: dict[UUID, int] = {}
        for number, (work, _) in enumerate(changes, start=first):
            made = _numbered(work, number)
            numbers[made.id] = number
            if made.edit:
                edits.setdefault(made.id, []).append(made.edit)
        for document in numbers.keys() & after.keys():
            own = edits.get(document, ())
            after[document] = after[document].numbered(numbers[document], own)
    oldest = {work.made.id: work.made.oldest for work in works if work.made and work.made.oldest}
    save(write, sealer, Saving(group.before, after, edits, oldest))
    return after


def _numbered(work: _Work, number: int) -> Made:
    """What a command made, with the number of its change."""
    assert work.made is not None  # it has a change
    made = work.made
    if made.edit is not None:
        made = replace(made, edit=replace(made.edit, number=number))
    work.made = made
    return made
