"""Changing entities: load, decide, log, store, in one transaction for all that arrive together.

A service gives its table (SQL) and its rules (pure); the order of things is the same for all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol
from uuid import UUID

import asyncpg

from libs.changes import Body, Change, Command, E, Indexes, Step, numbered
from libs.errors import AppError
from libs.metrics import WRITE_GROUP
from libs.spine import Write, writing
from libs.spine.group import GroupCommit
from libs.spine.requests import KEY, Answers, forget
from libs.tenancy import Route
from libs.vectors import Point
from libs.vectors.projection import Projection, Projector
from libs.wakeups import Wakeups

Reference = tuple[UUID, int]  # an entity in one of its versions


class Table(Protocol[E]):
    """Where entities of one kind are kept."""

    @property
    def collection(self) -> str:
        """First part of their names: `memories`."""

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, E]:
        """Those that exist, and others that changing them may change, under the tenant's lock."""

    async def save(self, write: Write, steps: Sequence[Step[E]]) -> None:
        """Stores what the steps, in order, made of their entities."""

    async def answered(self, route: Route, references: Sequence[Reference]) -> Sequence[E]:
        """The entities of an earlier answer, in the versions it had, or the first that are kept
        after them; raises what is missing."""


@dataclass(frozen=True)
class Rules(Generic[E, Body]):
    """What changes mean. `decide` is pure: it refuses with an AppError, or gives the steps.

    `targets` are the entities that it needs to know, `weigh` is how many it may change.
    """

    decide: Callable[[Mapping[UUID, E], Body], Iterable[Step[E]]]
    targets: Callable[[Body], Sequence[UUID]]
    weigh: Callable[[Body], int] = lambda _: 1


@dataclass(frozen=True, slots=True)
class Left:
    """What the index has to hear of after the commit: points at hand, and entities whose rows must
    be read for theirs, with their change numbers."""

    known: Sequence[Projection] = ()
    unknown: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Work(Generic[E]):
    """What became of a command: its steps, or the answer that its request got before."""

    command: Command[Any]
    steps: list[Step[E]]
    repeated: list[Reference] | None = None
    left: Left = field(default_factory=Left)  # of its group

    def entities(self) -> tuple[E, ...]:
        return tuple(step.after for step in self.steps if step.after)


class Entities(Generic[E, Body]):
    """Takes commands; repeats of a request get its first answer."""

    def __init__(
        self,
        table: Table[E],
        rules: Rules[E, Body],
        wakeups: Wakeups,
        projector: Projector | None = None,
    ) -> None:
        self._table, self._rules = table, rules
        self._wakeups, self._projector = wakeups, projector
        self._group = GroupCommit[Command[Body], _Work[E]](
            self._write, self._settle, weigh=lambda command: rules.weigh(command.body)
        )

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._group.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[E]:
        """Carries out a command; the entities as it left them, without those that it deleted.

        Raises:
            AppError: What the rules refuse, RequestIdReused, or what refuses the writer.
        """
        work = await self._group.submit(route, command)
        if work.repeated is None:
            return work.entities()
        return await self._table.answered(route, work.repeated)

    async def _write(
        self, route: Route, commands: Sequence[Command[Body]]
    ) -> Sequence[_Work[E] | AppError]:
        WRITE_GROUP.labels(self._table.collection).observe(len(commands))
        try:
            done = await self._transact(route, commands, repeats=False)
        except asyncpg.UniqueViolationError as exc:
            if exc.constraint_name != KEY:
                raise
            done = await self._transact(route, commands, repeats=True)
        self._wakeups.publish(route.tenant)
        return done

    async def _transact(
        self, route: Route, commands: Sequence[Command[Body]], *, repeats: bool
    ) -> Sequence[_Work[E] | AppError]:
        """All commands in one transaction. What was answered before is looked up when some of them
        are `repeats`, or refused, which a repeat may be: few are, and the others save a query."""
        async with writing(route) as write:
            current = await self._load(write, commands)
            answers = Answers()
            done = self._attempts(current, answers, commands)
            if repeats or any(isinstance(each, AppError) for each in done):
                answers = await Answers.load(write, [command.request for command in commands])
                done = self._attempts(current, answers, commands)
            await self._save(write, [work for work in done if isinstance(work, _Work)])
            answers.save(write)
        return done

    def _attempts(
        self, loaded: Mapping[UUID, E], answers: Answers, commands: Sequence[Command[Body]]
    ) -> list[_Work[E] | AppError]:
        current = dict(loaded)
        return [self._attempt(current, answers, command) for command in commands]

    async def _load(self, write: Write, commands: Sequence[Command[Body]]) -> Mapping[UUID, E]:
        ids = {entity for command in commands for entity in self._rules.targets(command.body)}
        return await self._table.load(write, list(ids)) if ids else {}

    def _attempt(
        self, current: dict[UUID, E], answers: Answers, command: Command[Body]
    ) -> _Work[E] | AppError:
        """One command against what the ones before it left; refused, it leaves nothing."""
        try:
            before = answers.get(command.request)
            if before is not None:
                return _Work(command, [], [(UUID(each[0]), each[1]) for each in before["entities"]])
            work = _Work(command, list(self._rules.decide(current, command.body)))
        except AppError as error:
            return error
        for step in work.steps:
            if step.after is None:
                current.pop(step.entity.id, None)
            else:
                current[step.after.id] = step.after
        references = [[str(each.id), each.version] for each in work.entities()]
        answers.add(command.request, {"entities": references})
        return work

    async def _save(self, write: Write, done: Sequence[_Work[E]]) -> None:
        steps = [step for work in done for step in work.steps]
        if not steps:
            return
        first = await write.append([change for work in done for change in self._changes(work)])
        forget(write, first, len(steps))
        steps = numbered(steps, first)
        rest = iter(steps)
        for work in done:
            work.steps = [next(rest) for _ in work.steps]
        await self._table.save(write, steps)
        if self._projector:
            left = self._project(write, self._projector, steps)
            for work in done:
                work.left = left

    def _project(self, write: Write, projector: Projector, steps: Sequence[Step[E]]) -> Left:
        """Brings the index up to date here and now, or queues what has to follow the commit."""
        left = _projections(steps)
        if left.known and projector.join(write, left.known):
            left = replace(left, known=())
        waiting = [(number, entity) for entity, number in left.unknown.items()]
        waiting += [(each.number, each.point.id) for each in left.known]
        if waiting:
            write.queue_projection(self._table.collection, waiting)
        return left

    def _changes(self, work: _Work[E]) -> list[Change]:
        return [
            Change(
                resource=f"{self._table.collection}/{step.entity.id}",
                operation=step.operation,
                origin=work.command.origin,
                subject="" if step.nameless else step.entity.subject,
                layer=step.entity.layer_name,
                details=step.entity.place_ids,
            )
            for step in work.steps
        ]

    async def _settle(self, route: Route, done: Sequence[_Work[E]]) -> None:
        left = done[0].left if done else Left()
        if self._projector and (left.known or left.unknown):
            await self._projector.settle(route, left.known, left.unknown)


def _projections(steps: Sequence[Step[E]]) -> Left:
    """What the index must hear of these steps."""
    newest = {step.entity.id: step for step in steps if step.indexed}
    vectors = {step.entity.id: step.vector for step in steps if step.vector is not None}
    known: list[Projection] = []
    unknown: dict[UUID, int] = {}
    for entity, step in newest.items():
        if step.after is None or Indexes.MEANING not in step.after.indexes:
            known.append(Projection(step.number, Point(entity, None, {})))
        elif entity in vectors:
            point = Point(entity, vectors[entity], step.after.payload())
            known.append(Projection(step.number, point))
        else:
            unknown[entity] = step.number
    return Left(known, unknown)
