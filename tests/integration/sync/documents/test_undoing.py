"""Undo, redo, history and restoring, whatever others write meanwhile."""

from aeterna.sync.v1 import documents_pb2 as pb
from tests.errors import fails_with
from tests.integration.sync.documents.people import Person, parts


async def test_an_undo_takes_back_the_own_edit_and_no_other(ann: Person, bob: Person) -> None:
    name = (await ann.create("start ")).name
    await ann.edit(name, 0, 6, "ann ")
    await bob.edit(name, 1, 10, "bob ")

    undone = await ann.undo(name)

    assert undone.origin == pb.DocumentEdit.ORIGIN_UNDO
    assert (await ann.get(name)).text == "start bob "
    with fails_with("NOTHING_TO_UNDO"):
        await ann.undo(name)
    await bob.undo(name)
    assert (await ann.get(name)).text == "start "


async def test_what_was_deleted_comes_back_in_its_place(ann: Person, bob: Person) -> None:
    name = (await ann.create("one two three")).name
    await ann.edit(name, 0, 4, -4)
    await bob.edit(name, 1, "zero ")

    await ann.undo(name)

    assert (await ann.get(name)).text == "zero one two three"


async def test_what_two_deleted_side_by_side_comes_back_in_its_order(
    ann: Person, bob: Person
) -> None:
    name = (await ann.create("one two three four")).name
    await ann.edit(name, 0, 8, -6)
    await bob.edit(name, 1, 4, -4)
    assert (await ann.get(name)).text == "one four"

    await ann.undo(name)
    await bob.undo(name)

    assert (await ann.get(name)).text == "one two three four"


async def test_undone_edits_are_made_again_until_something_else_is_written(
    ann: Person, bob: Person
) -> None:
    name = (await ann.create()).name
    for version, text in enumerate(("a", "b", "c")):
        await ann.edit(name, version, version, text)
    await ann.undo(name)
    await ann.undo(name)
    assert (await ann.get(name)).text == "a"

    redone = await ann.redo(name)
    assert (redone.origin, parts(redone.operation)) == (pb.DocumentEdit.ORIGIN_REDO, (1, "b"))
    await bob.edit(name, 6, "bob ")
    await ann.redo(name)
    assert (await ann.get(name)).text == "bob abc"
    with fails_with("NOTHING_TO_REDO"):
        await ann.redo(name)

    await ann.undo(name)
    await ann.edit(name, 9, "new ")
    with fails_with("NOTHING_TO_REDO"):
        await ann.redo(name)
    with fails_with("NOTHING_TO_REDO"):
        await bob.redo(name)
    assert (await ann.get(name)).text == "new bob ab"


async def test_a_version_is_restored_by_an_edit(ann: Person, bob: Person) -> None:
    name = (await ann.create("one\ntwo\n")).name
    await bob.edit(name, 0, 4, -4)
    await bob.edit(name, 1, 4, "three\n")

    restored = await ann.restore(name, 0)

    assert (restored.version, restored.origin) == (3, pb.DocumentEdit.ORIGIN_RESTORE)
    assert (await ann.get(name)).text == "one\ntwo\n"
    await ann.undo(name)
    assert (await ann.get(name)).text == "one\nthree\n"
    with fails_with("VERSION_NOT_REACHED"):
        await ann.restore(name, 9)


async def test_edits_of_one_person_are_one_revision(ann: Person, bob: Person) -> None:
    name = (await ann.create()).name
    for version, (person, text) in enumerate(
        [(ann, "aa"), (ann, "b"), (bob, "ccc"), (ann, "d"), (bob, "e"), (bob, "f")]
    ):
        await person.edit(name, version, text)
    await bob.edit(name, 6, -2)

    for size in (1, 2, 50):
        found = await ann.revisions(name, size)
        assert [(each.base_version, each.version, each.author) for each in found] == [
            (4, 7, "bob"),
            (3, 4, "ann"),
            (2, 3, "bob"),
            (0, 2, "ann"),
        ]
        assert [(each.inserted, each.deleted) for each in found] == [(2, 2), (1, 0), (3, 0), (3, 0)]
