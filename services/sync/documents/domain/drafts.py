"""What a document is as an item of knowledge. Pure."""

from dataclasses import dataclass

from libs.ot.clocks import values
from libs.scope import Scope
from services.sync.documents.domain.document import Kind, State
from services.sync.documents.errors import NothingToSave, TooLargeToSave

TITLE, KNOWLEDGE_KIND = "title", "knowledgeKind"  # fields that saving goes by
MOST_BYTES = 262_144  # of the content of an item
_TITLE_BYTES = 512
_NOTE_KINDS = ("adr", "pattern", "spec", "hindsight")
_NOTE, _POLICY = "spec", "policy"


@dataclass(frozen=True, slots=True)
class Draft:
    """An item to be; `kind` and `layer` by their names."""

    kind: str
    layer: str
    scope: Scope
    title: str
    content: str


def draft_of(state: State) -> Draft:
    """A policy becomes a policy; a note what its field `knowledgeKind` says, a specification unless
    it says. The title is the field `title`, or the first line of the text.

    Raises:
        NothingToSave, TooLargeToSave: Nothing in the text can be read, or it is larger than an item
            may be.
    """
    first = _first_line(state.text)
    if not first:
        raise NothingToSave
    if state.size_bytes > MOST_BYTES:
        raise TooLargeToSave(MOST_BYTES)
    fields = values(state.fields)
    document = state.document
    return Draft(
        kind=_POLICY if document.kind is Kind.POLICY else _note_kind(fields),
        layer=document.layer,
        scope=document.scope,
        title=_line(fields.get(TITLE, "")) or first,
        content=state.text,
    )


def _note_kind(fields: dict[str, str]) -> str:
    wanted = fields.get(KNOWLEDGE_KIND, "")
    return wanted if wanted in _NOTE_KINDS else _NOTE


def _first_line(text: str) -> str:
    """Without what marks a heading; a line of marks alone is better than none. "" where there is
    none."""
    lines = text.splitlines()
    titles = (_line(line.strip().lstrip("#")) or _line(line) for line in lines)
    return next(filter(None, titles), "")


def _line(text: str) -> str:
    """On one line, as long as a title may be."""
    printable = "".join(" " if ord(each) < 32 or ord(each) == 127 else each for each in text)
    return printable.strip().encode()[:_TITLE_BYTES].decode(errors="ignore").strip()
