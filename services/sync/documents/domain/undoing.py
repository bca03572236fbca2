"""Which edit of a person is taken back, and by what. Pure."""

from libs.ot import undo
from libs.ot.operations import NOTHING, Operation
from services.sync.documents.domain.document import Edit, Origin, State
from services.sync.documents.errors import Behind, NothingToRedo, NothingToUndo

_ORIGINS = {Origin.UNDO: undo.Origin.UNDO, Origin.REDO: undo.Origin.REDO}


def to_undo(state: State, person: str) -> Edit:
    """The person's latest edit of the text that is not undone: typed, restored or made again.

    Raises:
        NothingToUndo: None of the edits that can be taken back is.
        Behind: More of these are needed.
    """
    done, _ = _open(state, person)
    if not done:
        _require_all(state)
        raise NothingToUndo
    return state.edit(done[-1])


def to_redo(state: State, person: str) -> Edit:
    """The undo that is to be taken back: the person's latest, unless an edit came after it.

    Raises:
        NothingToRedo: There is none.
        Behind: More of these are needed.
    """
    _, undone = _open(state, person)
    if not undone:
        _require_all(state)
        raise NothingToRedo
    return state.edit(undone[-1])


def taking_back(state: State, target: Edit) -> Operation:
    """What takes the edit back, whatever others have written since.

    Raises:
        Behind: More of the edits before it are needed, since later ones have taken them back.
    """
    links = {each.version: each.takes_back for each in state.edits if each.takes_back}
    first = max(undo.begin(links, target.version), state.first_to_undo + 1)
    if first <= state.reach:
        if not state.is_cut:
            raise Behind(first - 1)
        first = state.reach + 1
    edits = state.since(first - 1)
    steps = [undo.Step(each.version, each.operation, each.takes_back or None) for each in edits]
    return undo.take_back(state.text_before(edits), steps, target.version)


def _open(state: State, person: str) -> tuple[list[int], list[int]]:
    """What an undo and a redo can take back. An undo counts even if there was nothing left."""
    own = [
        (edit.version, _ORIGINS.get(edit.origin, undo.Origin.EDIT))
        for edit in state.since(max(state.reach, state.first_to_undo))
        if edit.person == person and (edit.operation != NOTHING or edit.origin in _ORIGINS)
    ]
    return undo.open_to_undo(own)


def _require_all(state: State) -> None:
    """Raises Behind unless every edit that may count is here, or there is no room for it."""
    if state.reach > state.first_to_undo and not state.is_cut:
        raise Behind(state.first_to_undo)
