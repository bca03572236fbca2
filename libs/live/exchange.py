"""What a document's client and the server owe each other: edits as they are typed and as they are
ordered. Knows neither rooms nor connections.

One task sends and reads; nobody else does, so that what is on its way is known at any moment.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from uuid import uuid4

from google.protobuf.message import Message

from aeterna.sync.v1 import documents_pb2 as pb
from libs.clients import ClientError
from libs.live.asking import Cut
from libs.live.texts import edit_from, fields_from, fields_to, operation_to
from libs.ot import NOTHING, Operation, apply, compose
from libs.ot.clocks import NEVER, Fields, Time, Written, hear, merge, tick
from libs.ot.diff import diff
from libs.ot.shared import Diverged, Request, SharedText, State

_PAGE = 1000  # edits read at once
_PATIENCE = 5.0  # seconds that a room may take to tell of what was answered already
_RELOAD = frozenset({"HISTORY_COMPACTED", "BASE_NOT_REACHED", "VERSION_NOT_REACHED"})


class Ask(Protocol):
    """Sends a request and gives the answer; `once`: raises Cut rather than send it again."""

    async def __call__(self, message: Message, *, once: bool = False) -> Any: ...


class _Refused(Exception):
    """The server does not take an edit."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(str(error))
        self.error = error


class Exchange:
    """Attributes:
    shared: The text as this client has it.
    fields: The fields, as they were written last.
    error: What ended it; nothing is sent or taken any more.
    refusal: Why the server does not take what was typed. What others type is taken all the same;
        what was typed is kept, and sent again once more is typed.
    """

    def __init__(self, name: str, ask: Ask, told: Callable[[Operation], None]) -> None:
        """`told` hears what others do to the text, each once it is done."""
        self.shared = SharedText.opened(0, "")
        self.fields: Fields = {}
        self.error: ClientError | None = None
        self.refusal: ClientError | None = None
        self._name, self._ask, self._told = name, ask, told
        self._unsent: dict[str, Written] = {}  # fields
        self._clock = NEVER
        self._missing = False  # edits that the room did not tell of
        self._diverged = False  # the server ordered something else than what was sent
        self._bell = asyncio.Event()

    @property
    def is_settled(self) -> bool:
        """Whether the server has everything that was typed."""
        return self.shared.state is State.SYNCHRONISED and not self._unsent

    def open(self, document: pb.Document) -> None:
        """Begins with a document as it was read."""
        self.shared = SharedText.opened(document.version, document.text)
        self._read_fields(document)

    def take(self, shared: SharedText) -> None:
        """Something was typed: this is the text now."""
        self.shared, self.refusal = shared, None
        self._ring()

    def write(self, field: str, value: str | None) -> None:
        """A field was set, or removed."""
        self._clock = tick(self._clock, _now())
        written = {field: Written(value, self._clock)}
        self.fields, _ = merge(self.fields, written)
        self._unsent |= written
        self.refusal = None
        self._ring()

    def hear(self, edit: pb.DocumentEdit | None) -> None:
        """The room tells of an edit, None for one that is not kept any more. Edits come in order:
        one that does not follow shows that something was left out."""
        if edit is not None:
            self.merge(edit)
        if edit is None or edit.version > self.shared.version:
            self._missing = True
            self._ring()

    def merge(self, *edits: pb.DocumentEdit) -> None:
        """Takes edits as they were ordered, whether known or not."""
        for each in edits:
            self._merge_fields(each)
        try:
            self.shared, done = self.shared.received(*map(edit_from, edits))
        except Diverged:
            self._diverged, done = True, NOTHING
        self._ring()
        if done:
            self._told(done)

    def end(self, error: ClientError) -> None:
        """Nothing is sent any more, and nothing comes."""
        self.error = self.error or error
        self._ring()

    async def until(self, done: Callable[[], bool]) -> None:
        """Returns once something holds.

        Raises:
            ClientError: The exchange has ended first.
        """
        while not done():
            if self.error:
                raise self.error
            await self._bell.wait()

    async def work(self) -> None:
        """Sends what was typed, one edit at a time, and reads what is missing, to the end.

        Raises:
            ClientError: What is missing cannot be read.
        """
        while True:
            await self.until(lambda: self._is_behind or self._has_to_send)
            if self._is_behind and not self.shared.request:
                await self._refresh()
            if self._has_to_send:
                try:
                    await self._send()
                except _Refused as refused:
                    self._refuse(refused.error)

    @property
    def _is_behind(self) -> bool:
        return self._missing or self._diverged

    @property
    def _has_to_send(self) -> bool:
        return not self.is_settled and self.refusal is None

    async def _send(self) -> None:
        if self._unsent:
            await self._send_fields()
        self.shared = self.shared.sent(str(uuid4()))
        if self.shared.request:
            await self._send_text(self.shared.request)

    def _refuse(self, error: ClientError) -> None:
        """Keeps what the server did not take."""
        shared, self.refusal = self.shared, error
        kept = compose(shared.awaiting, shared.buffer)
        self.shared = replace(shared, request=None, awaiting=NOTHING, buffer=kept)
        self._ring()

    def _read_fields(self, document: pb.Document) -> None:
        """The fields as they are, with what was written here and not sent yet."""
        read = {name: Written(value, NEVER) for name, value in document.fields.items()}
        self.fields, _ = merge(read, self._unsent)
        written = Time(document.fields_time, document.fields_counter)
        self._clock = hear(self._clock, written, _now())

    def _merge_fields(self, edit: pb.DocumentEdit) -> None:
        written = fields_from(edit.fields)
        self.fields, _ = merge(self.fields, written)
        latest = max((each.time for each in written.values()), default=None)
        if latest is not None:
            self._clock = hear(self._clock, latest, _now())

    async def _send_fields(self) -> None:
        sending = dict(self._unsent)
        request = pb.EditDocumentRequest(name=self._name, fields=fields_to(sending))
        request.base_version = self.shared.version
        try:
            self.merge(await self._ask(request))
        except ClientError as error:
            raise _Refused(error) from error
        for name, written in sending.items():
            if self._unsent.get(name) == written:
                del self._unsent[name]
        self._ring()

    async def _send_text(self, request: Request) -> None:
        try:
            self.merge(await self._ask(self._message(request), once=True))
        except Cut:
            await self._refresh(request)
        except ClientError as error:
            if error.reason not in _RELOAD:
                raise _Refused(error) from error
            await self._reload(taken=False)
        else:
            await self._ordered(request)

    async def _ordered(self, request: Request) -> None:
        """Waits until the edits before it, which the room tells of, have come, too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self.shared.request == request and not self._is_behind:
                    await self._bell.wait()
        if self.shared.request == request:
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
                    name=self._name, since_version=self.shared.version, page_size=_PAGE
                )
            )
            self.merge(*page.edits)
            if not page.edits or self.shared.version >= page.version or self._diverged:
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
        document = await self._ask(pb.GetDocumentRequest(name=self._name))
        shared, seen, self._diverged = self.shared, self.shared.text, False
        if taken:
            sent = apply(shared.base, shared.awaiting)
            shared = SharedText(shared.version, sent, shared.text, buffer=shared.buffer)
        self.shared = shared.reloaded(document.version, document.text)
        self._read_fields(document)
        self._ring()
        self._told(diff(seen, self.shared.text))

    def _message(self, request: Request) -> pb.EditDocumentRequest:
        return pb.EditDocumentRequest(
            name=self._name,
            base_version=request.base_version,
            operation=operation_to(request.operation),
            request_id=request.request_id,
        )

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()


def _now() -> int:
    """Milliseconds since 1970, of this machine."""
    return time.time_ns() // 1_000_000
