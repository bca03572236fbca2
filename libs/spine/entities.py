"""Changing entities: load, decide, log, store, in one transaction for all that arrive together.

A service gives its table (SQL) and its rules (pure); the order of things is the same for all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol
from uuid import UUID

from libs.changes import Body, Change, Command, E, Step, numbered
from libs.errors import AppError
from libs.metrics import WRITE_GROUP
from libs.spine import Write, writing
from libs.spine.group import GroupCommit
from libs.spine.requests import Answers
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
        """The entities of an earlier answer, in the versions it had; raises what is missing."""


@dataclass(frozen=True)
class Rules(Generic[E, Body]):
    """What changes mean. `decide` is pure: it refuses with an AppError, or gives the steps.

    `targets` are the entities that it needs to know, `weigh` is how many it may change.
    """

    decide: Callable[[Mapping[UUID, E], Body], Iterable[Step[E]]]
    targets: Callable[[Body], Sequence[UUID]]
    weigh: Callable[[Body], int] = lambda _: 1


@dataclass(slots=True)
class _Work(Generic[E]):
    """What became of a command: its steps, or the answer that its request got before; and whether
    the index knows of them already."""

    command: Command[Any]
    steps: list[Step[E]]
    repeated: list[Reference] | None = None
    joined: bool = False

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
        async with writing(route) as write:
            answers = await Answers.load(write, [command.request for command in commands])
            current = await self._load(write, commands)
            done = [self._attempt(current, answers, command) for command in commands]
            await self._save(write, [work for work in done if isinstance(work, _Work)])
            await answers.save(write)
        self._wakeups.publish(route.tenant)
        return done

    async def _load(self, write: Write, commands: Sequence[Command[Body]]) -> dict[UUID, E]:
        ids = {entity for command in commands for entity in self._rules.targets(command.body)}
        return dict(await self._table.load(write, list(ids))) if ids else {}

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
        steps = numbered(steps, first)
        rest = iter(steps)
        for work in done:
            work.steps = [next(rest) for _ in work.steps]
        await self._table.save(write, steps)
        if self._projector:
            await self._project(write, self._projector, done)

    async def _project(self, write: Write, projector: Projector, done: Sequence[_Work[E]]) -> None:
        """Brings the index up to date here and now, or queues what has to follow the commit."""
        known, unknown = _projections([step for work in done for step in work.steps])
        joined = await projector.join(write, known)
        for work in done:
            work.joined = joined
        waiting = [(number, entity) for entity, number in unknown.items()]
        if not joined:
            waiting += [(each.number, each.point.id) for each in known]
        if waiting:
            await write.queue_projection(self._table.collection, waiting)

    def _changes(self, work: _Work[E]) -> list[Change]:
        return [
            Change(
                resource=f"{self._table.collection}/{step.entity.id}",
                operation=step.operation,
                origin=work.command.origin,
                subject=step.entity.subject,
                layer=step.entity.layer_name,
            )
            for step in work.steps
        ]

    async def _settle(self, route: Route, done: Sequence[_Work[E]]) -> None:
        if self._projector:
            known, unknown = _projections([step for work in done for step in work.steps])
            joined = any(work.joined for work in done)
            await self._projector.settle(route, [] if joined else known, unknown)


def _projections(steps: Sequence[Step[E]]) -> tuple[list[Projection], dict[UUID, int]]:
    """What the index must hear of: known points, and entities whose rows must be read again."""
    newest = {step.entity.id: step for step in steps if step.indexed}
    vectors = {step.entity.id: step.vector for step in steps if step.vector is not None}
    known: list[Projection] = []
    unknown: dict[UUID, int] = {}
    for entity, step in newest.items():
        if step.after is None:
            known.append(Projection(step.number, Point(entity, None, {})))
        elif entity in vectors:
            point = Point(entity, vectors[entity], step.after.payload())
            known.append(Projection(step.number, point))
        else:
            unknown[entity] = step.number
    return known, unknown
