"""What happened in episodes, as JSON for a client in another language to do again."""

from collections.abc import Iterator
from random import Random
from typing import Any

from libs.ot import Operation, apply, compose, invert, transform
from libs.ot.cursors import move
from libs.ot.shared import SharedText
from tests.convergence.server import Edits, Told
from tests.convergence.texts import Typing
from tests.convergence.world import Plan, Witness, World
from tests.convergence.writer import Writer

Json = dict[str, Any]


class Recorder(Witness):
    """Each writer's events, with the text that the writer sees after each."""

    def __init__(self, writers: int) -> None:
        self.events: list[list[Json]] = [[] for _ in range(writers)]
        self._sent: set[str] = set()

    def typed(self, writer: Writer, operation: Operation, before: str) -> None:
        self._add(writer, {"typed": operation})

    def sent(self, writer: Writer) -> None:
        request = writer.shared.request
        if request and request.request_id not in self._sent:
            self._sent.add(request.request_id)
            self._add(writer, {"sent": request.request_id, "operation": request.operation})

    def heard(self, writer: Writer, told: Told, before: SharedText) -> None:
        if isinstance(told, Edits):
            edits = [[each.version, each.operation, each.request_id] for each in told.edits]
            self._add(writer, {"heard": edits})

    def _add(self, writer: Writer, event: Json) -> None:
        shared = writer.shared
        seen = {"text": shared.text, "version": shared.version, "caret": writer.caret}
        self.events[writer.number].append(event | seen)


def episode(seed: int, operations: int) -> Json:
    """One episode; without compaction, since texts that are read again may be merged otherwise."""
    random = Random(seed)
    plan = Plan(
        writers=random.randint(3, 8),
        replicas=random.choice((1, 2)),
        once=random.random() < 0.3,
        undos=True,
        retyping=random.random() < 0.5,
        compaction=False,
        faults=True,
    )
    world = World(seed, operations, plan)
    recorder = Recorder(plan.writers)
    world.witnesses.append(recorder)
    world.run()
    return {
        "seed": seed,
        "initial": world.store.initial,
        "edits": [entry.edit.operation for entry in world.store.entries],
        "final": world.store.text,
        "writers": recorder.events,
    }


def algebra(seed: int, cases: int) -> Iterator[Json]:
    """What single operations come to."""
    typing = Typing(Random(seed), once=False)
    for _ in range(cases):
        text = "".join(typing.text() for _ in range(6))
        one, other = typing.operation(len(text)), typing.operation(len(text))
        then = typing.operation(len(apply(text, one)))
        yield {
            "text": text,
            "one": one,
            "other": other,
            "then": then,
            "applied": apply(text, one),
            "composed": compose(one, then),
            "inverted": invert(one, text),
            "left": transform(one, other, "left"),
            "right": transform(one, other, "right"),
            "carets": [move(place, one) for place in range(len(text) + 1)],
            "own": [move(place, one, own=True) for place in range(len(text) + 1)],
        }
