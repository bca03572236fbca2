"""A document that several write over lines that break: all come to one text, with all typing."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeterna.common.v1 import change_pb2
from aeterna.sync.v1 import live_pb2
from libs.clients import ClientError
from libs.ot import apply
from libs.ot.clocks import Time, Written, values
from tests.fakes.desk import NAME, Desk, Line

Response = live_pb2.ConnectResponse
_LETTERS = 0x4E00  # each is typed once


async def _rest() -> None:
    """Lets every task go on until it waits for a line."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _opened(desk: Desk, count: int) -> list[Line]:
    lines = [Line(desk) for _ in range(count)]
    for line in lines:
        line.connect()
        while line.hear():
            pass
        await line.document.opened()
    return lines


async def _moved(lines: list[Line]) -> None:
    """Moves on what waits until nothing does."""
    moved = 1
    while moved:
        await _rest()
        moved = sum(moves() for line in lines for moves in (line.serve, line.hear))


async def _settled(lines: list[Line]) -> None:
    """Brings every line up, and all that waits to its end."""
    for line in lines:
        line.connect()
    while not all(line.document.is_settled for line in lines):
        await _moved(lines)
    await _moved(lines)
    await asyncio.gather(*(line.document.settled() for line in lines))


async def _closed(lines: list[Line]) -> None:
    for line in lines:
        await line.document.close()


def _step(
    dice: random.Random, desk: Desk, line: Line, letters: Iterator[int], *, deletes: bool
) -> None:
    document = line.document
    match dice.choice(["type", "type", "delete", "serve", "serve", "hear", "hear", "cut", "up"]):
        case "type":
            document.insert(dice.randint(0, len(document.text)), chr(next(letters)))
        case "delete" if deletes and document.text:
            document.delete(dice.randrange(len(document.text)), 1)
        case "serve":
            line.serve()
        case "hear":
            line.hear()
        case "cut":
            line.cut()
        case "up":
            line.connect()


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.booleans(), st.booleans())
def test_all_come_to_one_text(
    dice: random.Random, clients: int, deletes: bool, compacts: bool
) -> None:
    async def run() -> None:
        desk = Desk()
        lines, letters = await _opened(desk, clients), iter(range(_LETTERS, _LETTERS + 10_000))
        for _ in range(60):
            _step(dice, desk, dice.choice(lines), letters, deletes=deletes)
            if compacts and dice.random() < 0.05:
                desk.compact()
            if dice.random() < 0.7:
                await _rest()
        await _settled(lines)

        assert {line.document.text for line in lines} == {desk.text}
        typed = next(letters) - _LETTERS
        if not deletes:
            assert sorted(desk.text) == [chr(_LETTERS + place) for place in range(typed)]
        await _closed(lines)

    asyncio.run(run())


async def test_what_is_typed_without_a_connection_is_merged_at_the_next_one() -> None:
    desk = Desk()
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    one.insert(0, "Deploy on Friday.")
    await _settled(lines)

    lines[0].cut()
    one.retype("Deploy on Friday, never.")
    one.write("title", "Rules")
    other.insert(0, "We ")
    await _settled(lines)

    assert one.text == other.text == desk.text == "We Deploy on Friday, never."
    assert one.fields == other.fields == {"title": "Rules"}
    await _closed(lines)


async def test_an_editor_is_told_what_others_do_and_nothing_of_its_own() -> None:
    desk = Desk()
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    shown, told = "", asyncio.Queue[object]()

    async def watch() -> None:
        nonlocal shown
        async for operation in one.changes():
            shown = apply(shown, operation)
            told.put_nowait(operation)

    watching = asyncio.create_task(watch())
    await _rest()
    one.insert(0, "mine")
    shown = one.text
    other.insert(0, "theirs ")
    await _settled(lines)

    await told.get()
    assert shown == one.text == other.text
    assert told.empty()
    await _closed(lines)
    with pytest.raises(ClientError):
        await watching


async def test_a_field_is_what_was_written_last() -> None:
    desk = Desk()
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    one.write("title", "first")
    await _settled(lines)
    other.write("title", "second")
    await _settled(lines)
    assert one.fields == other.fields == {"title": "second"}

    one.write("title", None)
    await _settled(lines)

    assert one.fields == other.fields == {}
    await _closed(lines)


async def test_who_has_read_a_field_writes_later_however_slow_the_clock_is() -> None:
    desk = Desk()
    desk.fields = {"title": Written("theirs", Time(2**42, 7))}
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    assert one.fields == {"title": "theirs"}

    one.write("title", "mine")
    await _settled(lines)

    assert values(desk.fields) == one.fields == other.fields == {"title": "mine"}
    await _closed(lines)


async def test_fields_are_read_anew_with_the_text() -> None:
    desk = Desk()
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    lines[0].cut()
    one.write("tag", "kept")
    other.write("title", "Rules")
    other.insert(0, "text")
    await _moved(lines)
    desk.compact()
    await _settled(lines)

    assert one.text == other.text == "text"
    assert one.fields == other.fields == {"title": "Rules", "tag": "kept"}
    await _closed(lines)


async def test_who_may_not_write_goes_on_reading_and_loses_nothing() -> None:
    desk = Desk()
    lines = await _opened(desk, 2)
    one, other = (line.document for line in lines)
    desk.refuses = "PERMISSION_DENIED"
    one.insert(0, "kept")
    await _moved(lines)
    with pytest.raises(ClientError) as refused:
        await one.settled()
    assert refused.value.reason == "PERMISSION_DENIED"

    desk.refuses = ""
    other.insert(0, "heard ")
    await _moved(lines)
    assert (one.text, desk.text) == ("heard kept", "heard ")
    one.insert(0, "now ")
    await _settled(lines)

    assert one.text == other.text == desk.text == "now heard kept"
    await _closed(lines)


async def test_a_deleted_document_takes_nothing_more_and_keeps_what_was_typed() -> None:
    desk = Desk()
    (line,) = await _opened(desk, 1)
    document = line.document
    line.cut()
    document.insert(0, "kept")
    line.connect()
    change = change_pb2.Change(operation=change_pb2.OPERATION_DELETED)
    line.tell(Response(event=Response.Event(room=NAME, number=1, change=change)))
    while line.hear():
        await _rest()

    with pytest.raises(ClientError, match="was deleted"):
        await document.settled()
    with pytest.raises(ClientError, match="was deleted"):
        document.insert(0, "more")
    assert document.text == "kept"
    await document.close()
