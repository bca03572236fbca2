"""A document that this client and others write at the same time.

What is typed is in `text` at once, with or without a connection, and is sent when there is one.
What others type comes in between. Nothing typed is lost or done twice: an edit whose answer was
lost is looked for among the edits that came since, before it is sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping

import grpc
from google.protobuf.message import Message

from aeterna.common.v1 import change_pb2
from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import live_pb2
from libs.clients import ClientError
from libs.live.exchange import Ask, Exchange
from libs.live.room import Event, Room
from libs.ot import Operation
from libs.ot.clocks import values


class SharedDocument:
    """Made by `Live.open`. Places and lengths are in Unicode code points.

    Attributes:
        name: `documents/{id}`.
        room: Who else is in the document, and where their cursors are: `room.people`.
    """

    def __init__(self, room: Room, ask: Ask) -> None:
        self.name, self.room = room.name, room
        self._ask = ask
        self._exchange = Exchange(room.name, ask, self._tell)
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[asyncio.Queue[Operation | None]] = []

    # ---- what a program asks for -----------------------------------------------------------------
    @property
    def text(self) -> str:
        """The text as this client sees it, with what was typed and not sent yet."""
        return self._exchange.shared.text

    @property
    def version(self) -> int:
        """The newest edit of the server that is in it."""
        return self._exchange.shared.version

    @property
    def fields(self) -> Mapping[str, str]:
        """`title` and others."""
        return values(self._exchange.fields)

    @property
    def is_settled(self) -> bool:
        """Whether the server has everything that was typed."""
        return self._exchange.is_settled

    def type(self, operation: Operation) -> None:
        """Changes the text; see libs.ot.

        Raises:
            Misfit: The text is too short for it.
            ClientError: There is no such document for this client any more.
        """
        self._check()
        self._exchange.take(self._exchange.shared.typed(operation))

    def insert(self, place: int, text: str) -> None:
        """Inserts a text before what stands at `place`; as `type`."""
        self.type((place, text) if place else (text,))

    def delete(self, place: int, length: int) -> None:
        """Deletes so much from `place` on; as `type`."""
        self.type((place, -length) if place else (-length,))

    def retype(self, text: str) -> None:
        """Makes the text this one, as an editor that knows no operations does; as `type`."""
        self._check()
        self._exchange.take(self._exchange.shared.retyped(text))

    def write(self, field: str, value: str | None) -> None:
        """Sets a field, or removes it: whoever writes last, by the clocks, wins.

        Raises:
            ClientError: As `type`.
        """
        self._check()
        self._exchange.write(field, value)

    def point(self, place: int, anchor: int | None = None) -> None:
        """Shows the others where the caret is, and where the selection began."""
        cursor = live_pb2.Cursor(
            position=place, anchor=place if anchor is None else anchor, version=self.version
        )
        self.room.say(cursor=cursor)

    async def settled(self) -> None:
        """Returns once the server has everything that was typed.

        Raises:
            ClientError: It does not take it: rights are gone, the text is too large. What was typed
                is in `text` still, and is sent again once more is typed; what others type comes in.
        """
        await self._exchange.until(lambda: self.is_settled or self._exchange.refusal is not None)
        if self._exchange.refusal:
            raise self._exchange.refusal

    async def reached(self, version: int) -> None:
        """Returns once the edits up to this version are in the text.

        Raises:
            ClientError: As `type`.
        """
        await self._exchange.until(lambda: self.version >= version)

    async def changes(self) -> AsyncIterator[Operation]:
        """What others do to `text`, from now on, each once it is done: for an editor that shows it.

        Raises:
            ClientError: As `type`.
        """
        changes = asyncio.Queue[Operation | None]()
        self._listeners.append(changes)
        try:
            while (operation := await changes.get()) is not None:
                yield operation
            self._check()
        finally:
            self._listeners.remove(changes)

    async def undo(self) -> None:
        """Takes back this person's latest edit, whatever others have typed since.

        Raises:
            ClientError: As `settled`; NOTHING_TO_UNDO.
        """
        await self._order(pb.UndoDocumentEditRequest(name=self.name))

    async def redo(self) -> None:
        """Makes the latest undone edit again.

        Raises:
            ClientError: As `settled`; NOTHING_TO_REDO.
        """
        await self._order(pb.RedoDocumentEditRequest(name=self.name))

    async def restore(self, version: int) -> None:
        """Makes the text what it was at a version.

        Raises:
            ClientError: As `settled`; there is no such version any more.
        """
        await self._order(pb.RestoreDocumentRequest(name=self.name, version=version))

    async def close(self) -> None:
        """Leaves the document; what the server does not have by now is lost with this object."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.room.leave()
        self._end(ClientError(grpc.StatusCode.CANCELLED, f"{self.name} was closed."))

    # ---- what the client does --------------------------------------------------------------------
    async def opened(self) -> None:
        """Reads the document and follows it from then on."""
        snapshot = await self.room.snapshot()
        if snapshot.document is None:
            raise ClientError(grpc.StatusCode.NOT_FOUND, f"{self.name} is no document.")
        self._exchange.open(snapshot.document)
        both = (self._follow(), self._exchange.work())
        self._tasks = [asyncio.create_task(self._ending(each)) for each in both]

    async def _ending(self, work: Awaitable[None]) -> None:
        try:
            await work
        except ClientError as error:
            self._end(error)

    async def _follow(self) -> None:
        """Takes what happens in the room."""
        async for event in self.room:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        if event.change.operation == change_pb2.OPERATION_DELETED:
            self._end(ClientError(grpc.StatusCode.NOT_FOUND, f"{self.name} was deleted."))
        else:
            self._exchange.hear(event.edit if event.HasField("edit") else None)

    async def _order(self, message: Message) -> None:
        """What the server does to the text by itself, after what was typed."""
        await self.settled()
        edit = await self._ask(message)
        self._exchange.hear(edit)
        await self.reached(edit.version)

    def _tell(self, operation: Operation) -> None:
        for each in self._listeners:
            each.put_nowait(operation)

    def _end(self, error: ClientError) -> None:
        """Nothing is sent any more, and nothing comes."""
        if self._exchange.error is None:
            self._exchange.end(error)
            for each in self._listeners:
                each.put_nowait(None)

    def _check(self) -> None:
        if self._exchange.error:
            raise self._exchange.error
