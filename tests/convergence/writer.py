"""One who writes: what a client has, what it makes of what it is told, and what it asks for."""

from collections.abc import Callable
from typing import NamedTuple

from libs.ot import Operation
from libs.ot.cursors import move
from libs.ot.shared import SharedText
from libs.ot.undo import Origin
from tests.convergence.server import (
    Asked,
    Compacted,
    Edits,
    Missed,
    Read,
    Refused,
    Text,
    Told,
    Undo,
)

Send = Callable[[Asked], None]


class Reading(NamedTuple):
    """The document is read again, since edits that are missing are gone."""

    taken: bool  # whether the request is part of it
    version: int  # that it must have reached


class Writer:
    """Holds a shared text. `send` may lose what it is given, and comes with every call."""

    def __init__(self, number: int, version: int, text: str) -> None:
        self.number = number
        self.shared = SharedText.opened(version, text)
        self.caret = 0
        self.undo: Undo | None = None
        self.reading: Reading | None = None
        self.is_behind = False  # missing edits are gone; the fate of the request is to be found out
        self._asked = 0

    @property
    def is_settled(self) -> bool:
        """Whether the server has everything and nothing is known to be missing."""
        shared, open_ = self.shared, self.undo or self.reading or self.is_behind
        return not (shared.request or shared.buffer or shared.has_gap or open_)

    def type(self, operation: Operation) -> None:
        """The person does something to the text."""
        self.shared = self.shared.typed(operation)
        self.caret = move(self.caret, operation, own=True)

    def send(self, send: Send) -> None:
        """What was typed, unless something is on its way."""
        if self.reading or self.is_behind or self.shared.request or not self.shared.buffer:
            return
        self.shared = self.shared.sent(self._id())
        self.ask_again(send)

    def take_back(self, origin: Origin, send: Send) -> None:
        """Undo or redo of what the server has, whatever was typed since."""
        if self.undo is None:
            self.undo = Undo(self._id(), origin)
            self.ask_again(send)

    def ask_again(self, send: Send) -> None:
        """The very same as before, for what was not answered."""
        if self.reading:
            send(Read())
            return
        for asked in (self.shared.request, self.undo):
            if asked:
                send(asked)

    def ask_missed(self, send: Send) -> None:
        """Whatever came after the newest edit that is known."""
        send(Missed(self.shared.version))

    def hear(self, told: Told, send: Send) -> None:
        """What the server says, in any order, perhaps again."""
        if isinstance(told, Edits):
            self._hear_edits(told, send)
        elif isinstance(told, Refused):
            self._answered({told.request_id})
        elif isinstance(told, Text):
            self._hear_text(told, send)
        else:
            self._hear_compacted(told, send)

    def _id(self) -> str:
        self._asked += 1
        return f"{self.number}-{self._asked}"

    def _answered(self, request_ids: set[str]) -> None:
        if self.undo and self.undo.request_id in request_ids:
            self.undo = None

    def _hear_edits(self, told: Edits, send: Send) -> None:
        request = self.shared.request
        self.shared, done = self.shared.received(*told.edits)
        self.caret = move(self.caret, done)
        self._answered({edit.request_id for edit in told.edits})
        if not (self.is_behind and request):
            return
        own = [edit for edit in told.edits if edit.request_id == request.request_id]
        if own and self.shared.request:
            self._read(Reading(True, own[0].version), send)
        elif own:
            self.is_behind = False

    def _hear_compacted(self, told: Compacted, send: Send) -> None:
        request = self.shared.request
        if request is None and not told.request_id:
            self._read(Reading(False, 0), send)
        elif request and not told.request_id:
            self.is_behind = True
            send(request)
        elif request and told.request_id == request.request_id:
            self._read(Reading(False, 0), send)

    def _read(self, reading: Reading, send: Send) -> None:
        if self.reading is None:
            self.reading = reading
            send(Read())

    def _hear_text(self, told: Text, send: Send) -> None:
        if self.reading is None:
            return
        if told.version < max(self.reading.version, self.shared.version):
            send(Read())
            return
        self.shared = self.shared.reloaded(told.version, told.text, taken=self.reading.taken)
        self.caret = min(self.caret, len(self.shared.text))
        self.reading, self.is_behind = None, False
