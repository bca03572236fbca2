"""Large edits and long histories: read in parts, whatever there is in memory."""

from pathlib import Path

import pytest

from aeterna.sync.v1 import documents_pb2 as pb
from libs.auth import Role
from tests.databases import Database
from tests.integration.sync.documents.people import TENANT, Person, parts
from tests.suite import Suite, open_suite

SIZE, TIMES = 700_000, 14  # of a text, and how often it is replaced: more than is opened at once


@pytest.fixture
async def replaced(suite: Suite, ann: Person) -> str:
    """A text that was replaced again and again."""
    name = (await ann.create("0" * SIZE)).name
    for version in range(TIMES):
        await ann.edit(name, version, f"{(version + 1) % 10}" * SIZE, -SIZE)
    return name


async def test_large_edits_are_listed_in_parts(ann: Person, replaced: str) -> None:
    request = pb.ListDocumentEditsRequest(name=replaced)
    page = await ann.stub.ListDocumentEdits(request, metadata=ann.metadata)
    assert 0 < len(page.edits) < TIMES

    edits = await ann.edits(replaced)

    assert [each.version for each in edits] == list(range(1, TIMES + 1))
    assert {len(str(parts(each.operation)[0])) for each in edits} == {SIZE}


async def test_a_late_edit_finds_its_place_at_a_replica_that_starts_anew(
    database: Database, tmp_path: Path, suite: Suite, ann: Person, replaced: str
) -> None:
    async with open_suite(database, tmp_path) as fresh:
        late = await Person.of(fresh, "bob").edit(replaced, 2, SIZE, "end")
        refused = Person(fresh.documents, fresh.auth(TENANT, "vic", (Role.VIEWER,)))
        assert (await refused.get(replaced, 3)).text == "3" * SIZE

        assert late.version == TIMES + 1
        assert (await ann.get(replaced)).text == "4" * SIZE + "end"
        await Person.of(fresh).undo(replaced)
        assert (await ann.get(replaced)).text == "3" * SIZE + "end"
        await Person.of(fresh, "bob").undo(replaced)
        assert (await ann.get(replaced)).text == "3" * SIZE


async def test_edits_far_behind_are_placed_though_only_few_are_in_memory(
    database: Database, tmp_path: Path, suite: Suite, ann: Person
) -> None:
    name = (await ann.create("-")).name
    for version in range(150):
        await ann.edit(name, version, "x")

    async with open_suite(database, tmp_path) as fresh:
        bob = Person.of(fresh, "bob")
        late = await bob.edit(name, 3, 4, "late")

        assert (late.version, parts(late.operation)) == (151, (151, "late"))
        await Person.of(fresh).undo(name)
        assert (await ann.get(name)).text == "x" * 149 + "-late"
