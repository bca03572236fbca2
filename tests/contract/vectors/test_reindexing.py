"""An index moves from one length to another under writes, searches and deaths, in every store."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from libs.changes import Change, Operation, Origin, Vector
from libs.spine import writing
from libs.tenancy import Route
from libs.vectors import Collection, Point, Reach, VectorIndex
from libs.vectors.layouts import TRUSTED, Layouts
from libs.vectors.projection import Known, Projection, Projector
from libs.vectors.reindexing import LengthUntrained, Progress, Reindexing
from tests.contract.vectors.builders import RUN, Store

NAME = f"{RUN}-moving"
COLLECTION = Collection(NAME, "model/256", 256, (64, 128))
ORIGIN = Origin("ann", "")
AT_ONCE = timedelta(0)


class Killed(BaseException):
    """A process ends here."""


@dataclass
class Entities:
    """What the index is a projection of: vectors by id, and the change that made each."""

    rows: dict[UUID, tuple[int, Vector]] = field(default_factory=dict)
    embedded: int = 0  # entities whose vectors had to be made again

    async def __call__(
        self, route: Route, ids: Sequence[UUID], known: Known | None = None
    ) -> Mapping[UUID, Projection]:
        found = {each: self.rows[each] for each in ids if each in self.rows}
        vectors = await known(list(found)) if known else {}
        self.embedded += len(found.keys() - vectors.keys())
        return {
            id_: self._projection(id_, number, vectors.get(id_, vector))
            for id_, (number, vector) in found.items()
        }

    def _projection(self, id_: UUID, number: int, vector: Vector) -> Projection:
        return Projection(number, Point(id_, vector, {"layer": "user"}))

    async def ids(self, route: Route, before: UUID | None, limit: int) -> list[UUID]:
        newest = sorted(self.rows, reverse=True)
        return [each for each in newest if before is None or each < before][:limit]

    async def count(self, route: Route) -> int:
        return len(self.rows)


@dataclass
class World:
    """A tenant's entities, the index of them, and processes that move it."""

    route: Route
    index: VectorIndex
    entities: Entities = field(default_factory=Entities)

    @property
    def projector(self) -> Projector:
        return Projector(self.index, COLLECTION, self.entities)

    def process(self, grace: timedelta = AT_ONCE) -> Reindexing:
        return Reindexing(self.projector, self.entities.ids, self.entities.count, grace)

    async def put(self, id_: UUID, vector: Vector | None) -> None:
        """As a write of a service: log and queue, then project."""
        operation = Operation.UPDATED if vector is not None else Operation.DELETED
        async with writing(self.route) as write:
            change = Change(f"{NAME}/{id_}", operation, ORIGIN, "", "user")
            number = await write.append([change])
            write.queue_projection(NAME, [(number, id_)])
        if vector is None:
            del self.entities.rows[id_]
        else:
            self.entities.rows[id_] = number, vector
        await self.projector.settle(
            self.route, [Projection(number, Point(id_, vector, {"layer": "user"}))], {}
        )

    async def found(self, length: int) -> dict[UUID, float]:
        """Everything that a search by this length finds, with cosines."""
        hits = await self.index.search(
            self.route, COLLECTION, _direction(0), {}, 100, Reach(length, 10)
        )
        return {hit.id: hit.score for hit in hits}

    def truth(self) -> dict[UUID, Any]:
        return {
            each: pytest.approx(float(vector @ _direction(0)), abs=2e-3)
            for each, (_, vector) in self.entities.rows.items()
        }


def _direction(seed: int) -> Vector:
    row = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return row / np.linalg.norm(row)


@pytest.fixture
async def world(store: Store) -> World:
    world = World(await store.new_tenant(), store.index)
    for seed in range(10):
        await world.put(uuid4(), _direction(seed))
    return world


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.vectors.reindexing._BATCH", 3)


async def quiet(progress: Progress) -> None:
    """Nobody looks."""


async def searched(world: World) -> int:
    return await Layouts().searched(world.route, COLLECTION)


async def test_searches_change_over_once_everything_is_there(world: World) -> None:
    seen: list[tuple[int, int, int]] = []
    process = world.process()
    progress = Progress(0, 0)
    while not progress.complete:
        progress = await process.step(world.route, 64)
        length = await searched(world)
        assert await world.found(length) == world.truth()
        seen.append((length, progress.done, progress.total))

    assert [each[0] for each in seen] == sorted((each[0] for each in seen), reverse=True)
    assert (256, 3, 10) in seen
    assert seen[-1] == (64, 10, 10)
    assert await world.found(256) == {}


async def test_there_and_back_and_in_between(world: World) -> None:
    for length in (64, 128, 256, 256):
        await world.process().run(world.route, length, quiet)
        assert await searched(world) == length
        assert await world.found(length) == world.truth()
        for other in {64, 128, 256} - {length}:
            assert await world.found(other) == {}


async def test_nothing_is_embedded_again_but_what_the_index_lacks(world: World) -> None:
    await world.process().run(world.route, 64, quiet)
    await world.process().run(world.route, 256, quiet)
    assert world.entities.embedded == 0

    late = next(iter(world.entities.rows))
    async with writing(world.route) as write:
        number = await write.append([Change(f"{NAME}/{late}", Operation.UPDATED, ORIGIN)])
        write.queue_projection(NAME, [(number, late)])
    world.entities.rows[late] = number, _direction(70)
    await world.process().run(world.route, 64, quiet)

    assert world.entities.embedded == 1
    assert await world.found(64) == world.truth()


async def test_writes_meanwhile_are_in_the_old_and_in_the_new(world: World) -> None:
    process, progress, seed = world.process(), Progress(0, 0), 100
    while not progress.complete:
        progress = await process.step(world.route, 64)
        changed, gone = sorted(world.entities.rows)[:: len(world.entities.rows) - 1]
        await world.put(changed, _direction(seed))
        await world.put(gone, None)
        for new in (uuid4(), uuid4()):
            await world.put(new, _direction(seed := seed + 1))
        assert await world.found(await searched(world)) == world.truth()

    assert await world.found(64) == world.truth()


@pytest.mark.parametrize("after", range(12))
async def test_a_process_that_dies_at_any_write_is_followed_by_one_that_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left = after
    write = Reindexing._write

    async def dying(self: Reindexing, *arguments: object) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        await write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Reindexing, "_write", dying)
    with suppress(Killed):
        await world.process().run(world.route, 64, quiet)
    monkeypatch.setattr(Reindexing, "_write", write)
    assert await world.found(await searched(world)) == world.truth()
    await world.put(next(iter(world.entities.rows)), None)

    await world.process().run(world.route, 64, quiet)

    assert await searched(world) == 64
    assert await world.found(64) == world.truth()
    assert await world.found(256) == {}


async def test_who_changes_their_mind_leaves_nothing_behind(world: World) -> None:
    for _ in range(3):
        await world.process().step(world.route, 64)
    await world.put(next(iter(world.entities.rows)), None)

    await world.process().run(world.route, 128, quiet)

    assert await searched(world) == 128
    assert await world.found(128) == world.truth()
    assert await world.found(64) == {}

    await world.process().run(world.route, 64, quiet)
    assert await world.found(64) == world.truth()


async def test_two_processes_at_once_do_no_harm(world: World) -> None:
    await asyncio.gather(*(world.process().run(world.route, 64, quiet) for _ in range(2)))

    assert await searched(world) == 64
    assert await world.found(64) == world.truth()


async def test_what_searches_may_still_use_is_kept(world: World) -> None:
    patient = world.process(timedelta(hours=1))
    progress = Progress(0, 0)
    while not progress.waits:
        progress = await patient.step(world.route, 64)
    await world.put(uuid4(), _direction(50))

    assert await searched(world) == 64
    assert await world.found(256) == world.truth()
    assert await world.found(64) == world.truth()


async def test_searches_know_of_a_layout_for_a_while(world: World) -> None:
    now = 0.0
    layouts = Layouts(lambda: now)
    assert await layouts.searched(world.route, COLLECTION) == 256
    await world.process().run(world.route, 64, quiet)

    assert await layouts.searched(world.route, COLLECTION) == 256
    now = TRUSTED
    assert await layouts.searched(world.route, COLLECTION) == 64
    assert Reindexing(world.projector, world.entities.ids, world.entities.count).grace > timedelta(
        seconds=TRUSTED
    )


async def test_a_length_it_was_not_trained_for_is_refused(world: World) -> None:
    with pytest.raises(LengthUntrained, match="64, 128, 256, not of 100") as refused:
        await world.process().run(world.route, 100, quiet)
    assert refused.value.metadata == {"length": "100", "lengths": "64, 128, 256"}
