"""What has to be true of an episode."""

from functools import reduce

from libs.ot import Operation, apply, growth, invert
from libs.ot.shared import SharedText
from libs.ot.undo import Origin
from tests.convergence.server import Entry, Told
from tests.convergence.world import Plan, Witness, World
from tests.convergence.writer import Writer


class Typed(Witness):
    """Which code points were typed, and which were deleted by anybody who saw them."""

    def __init__(self) -> None:
        self.inserted: set[str] = set()
        self.deleted: set[str] = set()

    def typed(self, writer: Writer, operation: Operation, before: str) -> None:
        self.inserted |= inserted(operation)
        self.deleted |= deleted(operation, before)


class Seen(Witness):
    """What a writer sees is what the server has, after what it does not have yet."""

    def heard(self, writer: Writer, told: Told, before: SharedText) -> None:
        shared = writer.shared
        assert 0 <= writer.caret <= len(shared.text)
        pending = growth(shared.awaiting) + growth(shared.buffer)
        assert len(shared.text) == len(shared.base) + pending
        assert shared.version >= before.version


def played(seed: int, operations: int, plan: Plan | None = None) -> World:
    """An episode in which everything held."""
    world, typed = World(seed, operations, plan), Typed()
    world.witnesses += [typed, Seen()]
    world.run()
    check_convergence(world)
    check_replay(world)
    if world.plan.once:
        check_inserts(world, typed)
        check_undos(world)
    return world


def check_convergence(world: World) -> None:
    """All have one text, and agree on what it is made of."""
    for writer in world.writers:
        assert writer.shared.text == world.store.text, f"writer {writer.number} diverged"
        assert writer.shared.base == world.store.text


def check_replay(world: World) -> None:
    """Any snapshot and the edits after it are all edits from the beginning."""
    store = world.store
    text = reduce(apply, (entry.edit.operation for entry in store.entries), store.initial)
    assert text == store.text
    for version, snapshot in store.snapshots.items():
        tail = (entry.edit.operation for entry in store.entries[version:])
        assert reduce(apply, tail, snapshot) == store.text


def check_inserts(world: World, typed: Typed) -> None:
    """What was typed and never deleted is there, once; nothing else, as a rule."""
    store, plan = world.store, world.plan
    there = typed.inserted | set(store.initial)
    gone = typed.deleted.union(*(_deleted(entry, world) for entry in _undos(store.entries)))
    if not plan.retyping:  # which inserts again what it could have kept
        assert len(set(store.text)) == len(store.text), "something is there twice"
    lost = there - gone - set(store.text)
    assert not lost, f"{len(lost)} inserts are lost"
    if not (plan.undos or plan.retyping or plan.compaction):  # merging texts may undo a deletion
        assert set(store.text) == there - gone


def check_undos(world: World) -> None:
    """An undo or redo takes what its edit inserted and brings back what that deleted; no more.

    It brings back all of it, but for what was inserted by edits that were taken back themselves.
    """
    undone: set[str] = set()
    for entry in _undos(world.store.entries):
        taken_back = world.store.entries[(entry.takes_back or 0) - 1]
        missing = _deleted(taken_back, world)
        assert inserted(entry.edit.operation) <= missing
        assert _deleted(entry, world) <= inserted(taken_back.edit.operation)
        if not world.plan.retyping:
            assert missing <= undone.union(world.store.text_at(entry.edit.version))
        undone |= inserted(taken_back.edit.operation)


def _undos(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.origin is not Origin.EDIT]


def inserted(operation: Operation) -> set[str]:
    """The code points that it inserts."""
    return {each for part in operation if isinstance(part, str) for each in part}


def deleted(operation: Operation, before: str) -> set[str]:
    """The code points of the text `before` that it deletes, be it to insert them again."""
    return inserted(invert(operation, before))


def _deleted(entry: Entry, world: World) -> set[str]:
    return deleted(entry.edit.operation, world.store.text_at(entry.edit.version - 1))
