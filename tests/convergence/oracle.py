"""The same edits in documents of another kind: Yrs, whose texts are CRDTs, as the oracle.

Each writer has such a document beside the shared text. What is typed goes into both: into the
oracle's behind the same neighbour, since what is typed at one place at the same time may stand in
another order there. Needs each code point to be typed once, to find it again, and edits that are
all kept: texts that are merged by comparing them may bring back what was deleted.
"""

from collections import defaultdict
from dataclasses import replace
from random import Random

from pycrdt import Doc, Text

from libs.ot import Operation, apply
from libs.ot.shared import SharedText
from libs.ot.undo import Origin
from tests.convergence.server import Told
from tests.convergence.world import Plan, Witness, World
from tests.convergence.writer import Writer


def compared(seed: int, operations: int) -> None:
    """An episode in which both come to the same code points."""
    drawn = Plan.drawn(Random(seed))
    plan = replace(drawn, once=True, retyping=False, compaction=False)
    world = World(seed, operations, plan)
    oracle = Oracle(world)
    world.witnesses.append(oracle)
    world.run()
    oracle.check()


class Peer:
    """A document of the oracle."""

    def __init__(self, begin: bytes) -> None:
        self._doc: Doc[Text] = Doc()
        self._text = self._doc.get("text", type=Text)
        self._doc.apply_update(begin)

    def __str__(self) -> str:
        return str(self._text)

    def learn(self, update: bytes) -> None:
        self._doc.apply_update(update)

    def edit(self, operation: Operation, before: str) -> bytes:
        """Does what the operation does to the text `before`; this one has the same code points."""
        state = self._doc.get_state()
        with self._doc.transaction():
            self._delete(operation, before)
            self._insert(operation, before)
        return self._doc.get_update(state)

    def _delete(self, operation: Operation, before: str) -> None:
        place = 0
        for part in operation:
            if isinstance(part, str):
                continue
            if part < 0:
                for each in before[place : place - part]:
                    start = self._place(each)
                    del self._text[start : start + len(each.encode())]
            place += abs(part)

    def _insert(self, operation: Operation, before: str) -> None:
        place, left = 0, ""
        for part in operation:
            if isinstance(part, str):
                start = self._place(left) + len(left.encode()) if left else 0
                self._text.insert(start, part)
                left = part[-1]
            else:
                place += abs(part)
                left = before[place - 1] if part > 0 else left

    def _place(self, character: str) -> int:
        """In bytes of UTF-8, as Yrs counts."""
        text = str(self._text)
        return len(text[: text.index(character)].encode())


class Oracle(Witness):
    """Has a peer for each writer and one for the server, and compares them in the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        begin = Doc[Text]()
        begin["text"] = Text(world.store.initial)
        self._begin = begin.get_update()
        self._peers = [Peer(self._begin) for _ in world.writers]
        self._server, self._text, self._version = Peer(self._begin), world.store.initial, 0
        self._unsent: dict[int, list[bytes]] = defaultdict(list)
        self._updates: dict[str, list[bytes]] = {}

    def typed(self, writer: Writer, operation: Operation, before: str) -> None:
        self._unsent[writer.number].append(self._peers[writer.number].edit(operation, before))

    def sent(self, writer: Writer) -> None:
        request = writer.shared.request
        if request and request.request_id not in self._updates:
            self._updates[request.request_id] = self._unsent.pop(writer.number, [])

    def heard(self, writer: Writer, told: Told, before: SharedText) -> None:
        self._follow()
        for entry in self._world.store.entries[before.version : writer.shared.version]:
            for update in self._updates[entry.edit.request_id]:
                self._peers[writer.number].learn(update)

    def check(self) -> None:
        """All that was inserted and not deleted is in both, and nothing else."""
        self._follow()
        awaited = sorted(self._world.store.text)
        for peer in (self._server, *self._peers):
            assert sorted(str(peer)) == awaited

    def _follow(self) -> None:
        """The server's peer takes what was committed; undos are the server's own edits."""
        for entry in self._world.store.entries[self._version :]:
            operation, request_id = entry.edit.operation, entry.edit.request_id
            if entry.origin is Origin.EDIT:
                for update in self._updates[request_id]:
                    self._server.learn(update)
            else:
                self._updates[request_id] = [self._server.edit(operation, self._text)]
            self._text = apply(self._text, operation)
            self._version += 1
