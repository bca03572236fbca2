"""A document that this client and others write at the same time.

What is typed is in `text` at once, with or without a connection, and is sent when there is one.
What others type comes in between. Nothing typed is lost or done twice: an edit whose answer was
lost is looked for among the edits that came since, before it is sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Protocol
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from aeterna.common.v1 import change_pb2
from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import live_pb2
from libs.clients import ClientError
from libs.live.asking import Cut
from libs.live.room import Event, Room
from libs.live.texts import edit_from, fields_from, fields_to, operation_to
from libs.ot import NOTHING, Operation, apply
from libs.ot.clocks import NEVER, Fields, Written, hear, merge, tick, values
from libs.ot.diff import diff
from libs.ot.shared import Diverged, Request, SharedText, State

_PAGE = 1000  # edits read at once
_PATIENCE = 5.0  # seconds that a room may take to tell of what was answered already
_RELOAD = frozenset({"HISTORY_COMPACTED", "BASE_NOT_REACHED", "VERSION_NOT_REACHED"})


class Ask(Protocol):
    """Sends a request and gives the answer; `once`: raises Cut rather than send it again."""

    async def __call__(self, message: Message, *, once: bool = False) -> Any: ...


class SharedDocument:
    """Made by `Live.open`. Places and lengths are in Unicode code points.

    Attributes:
        name: `documents/{id}`.
        room: Who else is in the document, and where their cursors are: `room.people`.
    """

    def __init__(self, room: Room, ask: Ask) -> None:
        self.name, self.room = room.name, room
        self._ask = ask
        self._shared = SharedText.opened(0, "")
        self._fields: Fields = {}
        self._unsent: dict[str, Written] = {}  # fields
        self._clock = NEVER
        self._missing = False  # edits that the room did not tell of
        self._diverged = False  # the server ordered something else than what was sent
        self._tasks: list[asyncio.Task[None]] = []
        self._bell = asyncio.Event()
        self._listeners: list[asyncio.Queue[Operation | None]] = []
        self._error: ClientError | None = None

    # ---- what a program asks for -----------------------------------------------------------------
    @property
    def text(self) -> str:
        """The text as this client sees it, with what was typed and not sent yet."""
        return self._shared.text

    @property
    def version(self) -> int:
        """The newest edit of the server that is in it."""
        return self._shared.version

    @property
    def fields(self) -> Mapping[str, str]:
        """`title` and others."""
        return values(self._fields)

    @property
    def is_settled(self) -> bool:
        """Whether the server has everything that was typed."""
        return self._shared.state is State.SYNCHRONISED and not self._unsent

    def type(self, operation: Operation) -> None:
        """Changes the text; see libs.ot.

        Raises:
            Misfit: The text is too short for it.
            ClientError: The document takes no edits any more: it is deleted, or rights are gone.
        """
        self._check()
        self._shared = self._shared.typed(operation)
        self._ring()

    def insert(self, place: int, text: str) -> None:
        """Inserts a text before what stands at `place`; as `type`."""
        self.type((place, text) if place else (text,))

    def delete(self, place: int, length: int) -> None:
        """Deletes so much from `place` on; as `type`."""
        self.type((place, -length) if place else (-length,))

    def retype(self, text: str) -> None:
        """Makes the text this one, as an editor that knows no operations does; as `type`."""
        self._check()
        self._shared = self._shared.retyped(text)
        self._ring()

    def write(self, field: str, value: str | None) -> None:
        """Sets a field, or removes it: whoever writes last, by the clocks, wins.

        Raises:
            ClientError: As `type`.
        """
        self._check()
        self._clock = tick(self._clock, _now())
        written = {field: Written(value, self._clock)}
        self._fields, _ = merge(self._fields, written)
        self._unsent |= written
        self._ring()

    def point(self, place: int, anchor: int | None = None) -> None:
        """Shows the others where the caret is, and where the selection began."""
        cursor = live_pb2.Cursor(
            position=place, anchor=place if anchor is None else anchor, version=self.version
        )
        self.room.say(cursor=cursor)

    async def settled(self) -> None:
        """Returns once the server has everything that was typed.

        Raises:
            ClientError: It does not take it. What was typed is in `text` still.
        """
        while not self.is_settled:
            self._check()
            await self._bell.wait()

    async def reached(self, version: int) -> None:
        """Returns once the edits up to this version are in the text.

        Raises:
            ClientError: As `type`.
        """
        while self._shared.version < version:
            self._check()
            await self._bell.wait()

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
        document = snapshot.document
        self._shared = SharedText.opened(document.version, document.text)
        self._fields = {name: Written(value, NEVER) for name, value in document.fields.items()}
        self._tasks = [asyncio.create_task(each()) for each in (self._follow, self._work)]

    async def _follow(self) -> None:
        """Takes what happens in the room."""
        try:
            async for event in self.room:
                await self._hear(event)
        except ClientError as error:
            self._end(error)

    async def _hear(self, event: Event) -> None:
        if event.change.operation == change_pb2.OPERATION_DELETED:
            self._end(ClientError(grpc.StatusCode.NOT_FOUND, f"{self.name} was deleted."))
            return
        if event.HasField("edit"):
            self._merge(event.edit)
        if not event.HasField("edit") or event.edit.version > self._shared.version:
            self._missing = True  # events come in order: something is not told of any more
            self._ring()

    def _merge(self, *edits: pb.DocumentEdit) -> None:
        """Takes edits as they were ordered, whether known or not."""
        for each in edits:
            self._merge_fields(each)
        try:
            self._shared, done = self._shared.received(*map(edit_from, edits))
        except Diverged:
            self._diverged, done = True, NOTHING
        self._ring()
        if done:
            self._tell(done)

    def _merge_fields(self, edit: pb.DocumentEdit) -> None:
        written = fields_from(edit.fields)
        self._fields, _ = merge(self._fields, written)
        latest = max((each.time for each in written.values()), default=None)
        if latest is not None:
            self._clock = hear(self._clock, latest, _now())

    async def _work(self) -> None:
        """Sends what was typed, one edit at a time, and reads what is missing: nobody else does."""
        try:
            while True:
                while self.is_settled and not self._is_behind:
                    await self._bell.wait()
                if self._is_behind and not self._shared.request:
                    await self._refresh()
                if self._unsent:
                    await self._send_fields()
                self._shared = self._shared.sent(str(uuid4()))
                if self._shared.request:
                    await self._send_text(self._shared.request)
        except ClientError as error:
            self._end(error)

    @property
    def _is_behind(self) -> bool:
        return self._missing or self._diverged

    async def _send_fields(self) -> None:
        sending = dict(self._unsent)
        request = pb.EditDocumentRequest(name=self.name, fields=fields_to(sending))
        request.base_version = self._shared.version
        self._merge(await self._ask(request))
        for name, written in sending.items():
            if self._unsent.get(name) == written:
                del self._unsent[name]
        self._ring()

    async def _send_text(self, request: Request) -> None:
        try:
            self._merge(await self._ask(self._message(request), once=True))
        except Cut:
            await self._refresh(request)
        except ClientError as error:
            if error.reason not in _RELOAD:
                raise
            await self._reload(taken=False)
        else:
            await self._ordered(request)

    async def _ordered(self, request: Request) -> None:
        """Waits until the edits before it, which the room tells of, have come, too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._shared.request == request and not self._is_behind:
                    await self._bell.wait()
        if self._shared.request == request:
            await self._refresh(taken=True)

    async def _refresh(self, request: Request | None = None, *, taken: bool = False) -> None:
        """Reads the edits that are missing; the document, where they are gone.

        Args:
            request: Of which it is not known whether it was taken.
            taken: Whether what is on its way was.
        """
        self._missing = False
        try:
            if self._diverged:
                await self._reload(taken=True)
            else:
                await self._catch_up()
        except ClientError as error:
            if error.reason not in _RELOAD:
                raise
            await self._reload(taken=await self._was_taken(request) if request else taken)

    async def _catch_up(self) -> None:
        """Reads the edits after the last one that is known."""
        while True:
            page = await self._ask(
                pb.ListDocumentEditsRequest(
                    name=self.name, since_version=self._shared.version, page_size=_PAGE
                )
            )
            self._merge(*page.edits)
            if not page.edits or self._shared.version >= page.version or self._diverged:
                return

    async def _was_taken(self, request: Request) -> bool:
        """Asked with the same request id, the server gives its first answer, or refuses."""
        try:
            await self._ask(self._message(request))
        except ClientError as error:
            if error.reason not in _RELOAD:
                raise
            return False
        return True

    async def _reload(self, *, taken: bool) -> None:
        """Goes on from the document as it is, where the edits up to there are gone."""
        document = await self._ask(pb.GetDocumentRequest(name=self.name))
        shared, seen, self._diverged = self._shared, self._shared.text, False
        if taken:
            sent = apply(shared.base, shared.awaiting)
            shared = SharedText(shared.version, sent, shared.text, buffer=shared.buffer)
        self._shared = shared.reloaded(document.version, document.text)
        self._ring()
        self._tell(diff(seen, self._shared.text))

    async def _order(self, message: Message) -> None:
        """What the server does to the text by itself, after what was typed."""
        await self.settled()
        edit = await self._ask(message)
        self._merge(edit)
        self._missing = self._shared.version < edit.version
        self._ring()
        await self.reached(edit.version)

    def _message(self, request: Request) -> pb.EditDocumentRequest:
        return pb.EditDocumentRequest(
            name=self.name,
            base_version=request.base_version,
            operation=operation_to(request.operation),
            request_id=request.request_id,
        )

    def _tell(self, operation: Operation) -> None:
        for each in self._listeners:
            each.put_nowait(operation)

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    def _end(self, error: ClientError) -> None:
        """Nothing is sent any more, and nothing comes."""
        if self._error is None:
            self._error = error
            self._ring()
            for each in self._listeners:
                each.put_nowait(None)

    def _check(self) -> None:
        if self._error:
            raise self._error


def _now() -> int:
    """Milliseconds since 1970, of this machine."""
    return time.time_ns() // 1_000_000
