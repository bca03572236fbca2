"""The client's side of a text that several people write: what was typed, sent, ordered. Pure.

After Nichols et al., Jupiter (UIST 1995), with one operation on its way at a time:

    SYNCHRONISED --typed--> UNSENT --sent--> AWAITING --typed--> AWAITING_WITH_BUFFER
         ^                    ^                  |                        |
         |                    +------ ordered ---|------------------------+
         +--------------------------- ordered ---+

What is typed without a connection is composed in the buffer. After a reconnect the client reads the
edits it has missed; if its own is not among them it sends the very same request again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from libs.ot.diff import diff
from libs.ot.operations import NOTHING, Operation, apply, compose, transform, transform_both


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent to the server; the id makes it safe to send it again."""

    request_id: str
    base_version: int
    operation: Operation


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit as the server ordered it, with the id of the request that it came with."""

    version: int
    operation: Operation
    request_id: str = ""


class State(Enum):
    """Where what was typed is."""

    SYNCHRONISED = "the server has everything"
    UNSENT = "something was typed and not sent"
    AWAITING = "something is on its way"
    AWAITING_WITH_BUFFER = "something is on its way, and more was typed"


class Diverged(Exception):
    """The server ordered something else than was sent: read the document again (`reloaded`)."""

    def __init__(self, version: int) -> None:
        super().__init__(f"Version {version} is not what was sent.")
        self.version = version


@dataclass(frozen=True, slots=True)
class SharedText:
    """A text as one client has it. `text` is `base` after `awaiting` and `buffer`."""

    version: int  # of `base`: the newest edit that is known without a gap
    base: str  # as the server has it
    text: str  # as the person sees it
    request: Request | None = None  # as it was sent
    awaiting: Operation = NOTHING  # the request's operation, on `base`
    buffer: Operation = NOTHING  # what was typed since, on top of that
    early: Mapping[int, Edit] = field(default_factory=dict)  # edits behind a gap, by version

    @classmethod
    def opened(cls, version: int, text: str) -> "SharedText":
        """A document as it was read."""
        return cls(version, text, text)

    @property
    def state(self) -> State:
        """Where what was typed is."""
        if self.request is None:
            return State.UNSENT if self.buffer else State.SYNCHRONISED
        return State.AWAITING_WITH_BUFFER if self.buffer else State.AWAITING

    @property
    def has_gap(self) -> bool:
        """Whether edits after `version` have to be read before those that came count."""
        return bool(self.early)

    def typed(self, operation: Operation) -> "SharedText":
        """The person changed the text."""
        text, buffer = apply(self.text, operation), compose(self.buffer, operation)
        return replace(self, text=text, buffer=buffer)

    def retyped(self, text: str) -> "SharedText":
        """The person changed the text somewhere that knows no operations."""
        return self.typed(diff(self.text, text))

    def sent(self, request_id: str) -> "SharedText":
        """What was typed becomes the request to send, unless there is one or nothing was typed."""
        if self.request is not None or not self.buffer:
            return self
        request = Request(request_id, self.version, self.buffer)
        return replace(self, request=request, awaiting=self.buffer, buffer=NOTHING)

    def received(self, *edits: Edit) -> tuple["SharedText", Operation]:
        """Edits came, in any order, perhaps again; also what they do to the text that is seen."""
        shared, done = self, NOTHING
        early = dict(self.early) | {edit.version: edit for edit in edits}
        while edit := early.pop(shared.version + 1, None):
            shared, operation = shared._after(edit)
            done = compose(done, operation)
        early = {version: edit for version, edit in early.items() if version > shared.version}
        return replace(shared, early=early), done

    def reloaded(self, version: int, text: str, *, taken: bool = False) -> "SharedText":
        """The document was read again, as edits since `version` are gone; what was typed is kept.

        Args:
            version: Of the text; not before the request's own where that was taken.
            text: As the server has it.
            taken: Whether the request is part of it. That has to be known for certain, from the
                answer to the request: else what was typed would be there twice, or not at all.
        """
        base = apply(self.base, self.awaiting) if taken else self.base
        typed = self.buffer if taken else compose(self.awaiting, self.buffer)
        typed = transform(typed, diff(base, text), "right")
        return SharedText(version, text, apply(text, typed), buffer=typed)

    def given_up(self) -> "SharedText":
        """The server refused the request for good: the text as the server has it."""
        return replace(self, text=self.base, request=None, awaiting=NOTHING, buffer=NOTHING)

    def _after(self, edit: Edit) -> tuple["SharedText", Operation]:
        shared = replace(self, version=edit.version, base=apply(self.base, edit.operation))
        if self.request is not None and edit.request_id == self.request.request_id:
            return shared._acknowledged(edit), NOTHING
        return shared._moved(edit.operation)

    def _acknowledged(self, edit: Edit) -> "SharedText":
        if edit.operation != self.awaiting:
            raise Diverged(edit.version)
        return replace(self, request=None, awaiting=NOTHING)

    def _moved(self, operation: Operation) -> tuple["SharedText", Operation]:
        """Somebody else's edit, past what is not ordered yet; and that past it."""
        operation, awaiting = transform_both(operation, self.awaiting)
        operation, buffer = transform_both(operation, self.buffer)
        text = apply(self.text, operation)
        return replace(self, text=text, awaiting=awaiting, buffer=buffer), operation
