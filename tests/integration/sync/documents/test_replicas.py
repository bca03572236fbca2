"""Two replicas on one database, many people at once: all come to one text, no edit is lost."""

import asyncio
import random
from collections import Counter
from uuid import uuid4

import grpc

from aeterna.sync.v1 import documents_pb2 as pb
from libs.ot.operations import NOTHING, Operation
from libs.ot.shared import Edit, Request, SharedText
from tests.errors import fails_with
from tests.integration.sync.documents.people import Person, parts, replayed
from tests.suite import Suite

EDITORS, EDITS = 8, 25


class Editor:
    """A client as clients are: one request on its way, more typed meanwhile."""

    def __init__(self, replicas: tuple[Suite, Suite], name: str, number: int) -> None:
        self.marks = [f"<{number}:{place}>" for place in range(EDITS)]
        self._people = [Person.of(each, f"editor{number}") for each in replicas]
        self._random, self._name = random.Random(number), name
        self.shared = SharedText.opened(0, "")

    async def work(self) -> None:
        """Types every mark somewhere, at whichever replica, sometimes twice for safety."""
        for mark in self.marks:
            self.shared = self.shared.typed(self._typed(mark)).sent(str(uuid4()))
            request = self.shared.request
            if request is None:
                continue
            repeats = 1 + (self._random.random() < 0.2)
            await asyncio.gather(*(self._send(request) for _ in range(repeats)))
            await self.catch_up()

    async def catch_up(self) -> None:
        """Reads what was written since, at whichever replica."""
        edits = await self._anyone().edits(self._name, self.shared.version)
        told = [Edit(each.version, parts(each.operation), each.request_id) for each in edits]
        self.shared, _ = self.shared.received(*told)

    async def _send(self, request: Request) -> None:
        await self._anyone().edit(
            self._name,
            request.base_version,
            *request.operation,
            request_id=request.request_id,
        )

    def _anyone(self) -> Person:
        return self._random.choice(self._people)

    def _typed(self, mark: str) -> Operation:
        place = self._random.randint(0, len(self.shared.text))
        return (place, mark) if place else (mark,)


async def test_all_come_to_one_text(replicas: tuple[Suite, Suite]) -> None:
    one, other = (Person.of(each) for each in replicas)
    name = (await one.create()).name
    editors = [Editor(replicas, name, number) for number in range(EDITORS)]

    await asyncio.gather(*(each.work() for each in editors))
    await asyncio.gather(*(each.catch_up() for each in editors))

    edits = await one.edits(name)
    text = (await other.get(name)).text
    assert [each.version for each in edits] == list(range(1, EDITORS * EDITS + 1))
    assert {each.shared.text for each in editors} == {text}
    assert (await one.get(name)).text == text == replayed("", edits)
    assert Counter(len(each.request_id) for each in edits) == {36: EDITORS * EDITS}
    marks = [mark for each in editors for mark in each.marks]
    assert len(text) == sum(map(len, marks))
    assert all(sum(mark in _inserted(edit) for edit in edits) == 1 for mark in marks)


async def test_undos_at_two_replicas_take_back_each_edit_once(
    replicas: tuple[Suite, Suite],
) -> None:
    people = [Person.of(each) for each in replicas]
    name = (await people[0].create()).name
    for version in range(20):
        await people[version % 2].edit(name, version, f"{version};")

    undone = await asyncio.gather(*(people[place % 2].undo(name) for place in range(20)))

    assert sorted(each.version for each in undone) == list(range(21, 41))
    assert all(parts(each.operation) != NOTHING for each in undone)
    assert {(await each.get(name)).text for each in people} == {""}


async def test_what_another_replica_deleted_is_gone(replicas: tuple[Suite, Suite]) -> None:
    one, other = (Person.of(each) for each in replicas)
    name = (await one.create("x")).name
    await other.edit(name, 0, "y")

    await one.delete(name)

    for call in (other.edit(name, 1, "z"), other.get(name), other.undo(name), one.edits(name)):
        with fails_with("DOCUMENT_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
            await call


def _inserted(edit: pb.DocumentEdit) -> str:
    return "".join(part.insert for part in edit.operation.parts)
