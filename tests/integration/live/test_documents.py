"""Two clients write one document through the real suite, with and without a connection."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio

import grpc
import pytest

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import live_pb2
from libs.clients import ClientError
from libs.live import Live, SharedDocument
from tests.eventually import eventually
from tests.integration.live.conftest import Tenant

SOON = 30.0  # seconds


async def _create(live: Live, text: str) -> str:
    document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, text=text, fields={"title": "t"})
    return str((await live.ask(pb.CreateDocumentRequest(document=document))).name)


async def _alike(*documents: SharedDocument) -> str:
    """The text, once all have it and the server has everything."""

    async def alike() -> bool:
        return len({(each.text, each.version) for each in documents}) == 1

    for each in documents:
        await asyncio.wait_for(each.settled(), SOON)
    await eventually(alike, seconds=SOON)
    return documents[0].text


async def test_two_write_at_once_and_see_each_other(tenant: Tenant) -> None:
    one, other = await tenant.live(), await tenant.live(json=True)
    name = await _create(one, "Deploy on Friday.")
    first, second = await one.open(name), await other.open(name)

    first.insert(0, "We ")
    second.retype("Deploy on Friday, never.")
    second.write("title", "Rules")
    assert await _alike(first, second) == "We Deploy on Friday, never."

    async def titled() -> bool:
        return first.fields == second.fields == {"title": "Rules"}

    await eventually(titled, seconds=SOON)
    second.point(3)

    async def pointed() -> bool:
        return any(each.cursor.position == 3 for each in first.room.people.values())

    await eventually(pointed, seconds=SOON)
    assert len(first.room.people) == 2
    stored = await one.ask(pb.GetDocumentRequest(name=name))
    assert (stored.text, stored.version) == (first.text, first.version)


async def test_what_is_typed_while_the_connection_is_cut_is_merged(tenant: Tenant) -> None:
    one, other = await tenant.live(gate=True), await tenant.live()
    name = await _create(other, "middle")
    first, second = await one.open(name), await other.open(name)
    for place in range(3):
        await tenant.gate.stop()
        first.insert(0, f"<{place}")
        first.insert(len(first.text), f"{place}>")
        second.insert(second.text.index("middle"), f"[{place}]")
        await asyncio.wait_for(second.settled(), SOON)
        await tenant.gate.start()

    text = await _alike(first, second)

    assert sorted(text) == sorted("middle" + "".join(f"<{p}{p}>[{p}]" for p in range(3)))
    assert "middle" in text


async def test_an_undo_leaves_what_others_wrote(tenant: Tenant) -> None:
    one = await tenant.live(token=lambda: tenant.token("ann"))
    other = await tenant.live(token=lambda: tenant.token("bob"))
    name = await _create(one, "")
    first, second = await one.open(name), await other.open(name)
    first.insert(0, "mine ")
    await _alike(first, second)
    second.insert(len(second.text), "yours")
    await _alike(first, second)

    await asyncio.wait_for(first.undo(), SOON)
    assert await _alike(first, second) == "yours"
    await asyncio.wait_for(first.redo(), SOON)
    assert await _alike(first, second) == "mine yours"
    await asyncio.wait_for(first.restore(1), SOON)
    assert await _alike(first, second) == "mine "
    with pytest.raises(ClientError) as refused:
        await first.redo()
    assert refused.value.reason == "NOTHING_TO_REDO"


async def test_a_deleted_document_ends_for_all(tenant: Tenant) -> None:
    live = await tenant.live()
    name = await _create(live, "gone soon")
    document = await live.open(name)

    await live.ask(pb.DeleteDocumentRequest(name=name))

    with pytest.raises(ClientError) as gone:
        await asyncio.wait_for(anext(aiter(document.changes())), SOON)
    assert gone.value.code is grpc.StatusCode.NOT_FOUND
    with pytest.raises(ClientError):
        document.insert(0, "more")


async def test_a_document_that_there_is_not_cannot_be_opened(tenant: Tenant) -> None:
    live = await tenant.live()

    with pytest.raises(ClientError):
        await live.open("documents/0198f000-0000-7000-8000-000000000000")
    assert await live.ask(live_pb2.ConnectRequest.Ping())
