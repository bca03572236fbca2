"""Afternoon: two people write one note at the same time."""

import asyncio

from aeterna.sync.v1 import documents_pb2 as pb
from cli.demo import texts
from cli.demo.cast import Cast
from libs.live import SharedDocument

_SECONDS = 20


async def note(cast: Cast, tenant: str) -> None:
    """What both type is in the note, and the history knows who typed what."""
    stage = cast.stage
    stage.act("15:30  Mira and Tomas write one note at the same time")
    mira, tomas = await cast.join(tenant, texts.MIRA), await cast.join(tenant, texts.TOMAS)
    document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, text=texts.NOTE, fields={"title": "Freeze"})
    made = await mira.documents.CreateDocument(pb.CreateDocumentRequest(document=document))
    async with mira.open_live() as one, tomas.open_live() as other:
        hers, his = await one.open(made.name), await other.open(made.name)
        hers.insert(0, texts.NOTE_BEFORE)
        his.insert(len(his.text), texts.NOTE_AFTER)
        await asyncio.wait_for(_alike(hers, his), _SECONDS)
        expected = texts.NOTE_BEFORE + texts.NOTE + texts.NOTE_AFTER
        stage.check("what both have", (hers.text, his.text), (expected, expected))
        stage.quote("both", hers.text, f"version {hers.version}")
        await asyncio.wait_for(hers.undo(), _SECONDS)
        await asyncio.wait_for(_alike(hers, his), _SECONDS)
        stage.check("what stays of it", his.text, texts.NOTE + texts.NOTE_AFTER)
    stage.done("both had the same text; Mira's undo left what Tomas wrote", "edits merged", 2)


async def _alike(*documents: SharedDocument) -> None:
    """Returns once the server has everything and each document is at the newest version."""
    for each in documents:
        await each.settled()
    newest = max(each.version for each in documents)
    for each in documents:
        await each.reached(newest)
