"""What commands make of documents: whatever people do in whatever order, the text is that of its
edits, and each edit can be taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.changes import Operation as Logged
from libs.errors import InvalidRequest
from libs.ot.clocks import Time, Written
from libs.ot.operations import NOTHING, Operation, apply, normal
from libs.scope import Scope
from services.sync.documents.domain.document import (
    KEPT,
    MOST_KEPT,
    Document,
    Kind,
    Origin,
    State,
)
from services.sync.documents.domain.editing import (
    Body,
    Compact,
    Delete,
    Rewrite,
    Saved,
    Saving,
    TakeBack,
    Write,
    advanced,
    decide,
)
from services.sync.documents.errors import (
    BaseNotReached,
    Behind,
    DocumentBusy,
    DocumentNotFound,
    HistoryCompacted,
    NothingToRedo,
    NothingToUndo,
)

ID, ITEM, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("ann", "bob", "eve")


def make_state(text: str = "", **known: Any) -> State:
    return State.of(Document(ID, Kind.NOTE, Scope(), "ann", NOW, NOW, **known), text, {})


def make_write(base: int, operation: Operation, person: str = "ann") -> Write:
    return Write(ID, base, operation, {}, person, NOW)


def after(state: State, *bodies: Body) -> State:
    for body in bodies:
        made = decide({ID: state}, body).after
        assert made is not None
        state = made
    return state


def typed(state: State, *texts: str, person: str = "ann") -> State:
    """Each at the beginning, on the newest version."""
    for text in texts:
        state = after(state, make_write(state.version, (text,), person))
    return state


@st.composite
def works(draw: st.DrawFn) -> tuple[State, list[State]]:
    """What people made of a text, and every state on the way."""
    state = make_state(draw(st.text(max_size=8)))
    states = [state]
    for _ in range(draw(st.integers(1, 25))):
        person = draw(st.sampled_from(PEOPLE))
        body = draw(st.sampled_from(("write", "write", "undo", "redo")))
        try:
            if body == "write":
                base = draw(st.integers(max(0, state.version - 5), state.version))
                state = after(state, make_write(base, draw(fitting(states[base].text)), person))
            else:
                state = after(state, TakeBack(ID, Origin(body), person, NOW))
        except (NothingToUndo, NothingToRedo):
            continue
        states.append(state)
    return state, states


@st.composite
def fitting(draw: st.DrawFn, text: str) -> Operation:
    """An operation that fits a text."""
    left, parts = len(text), list[int | str]()
    for _ in range(draw(st.integers(1, 4))):
        kept = draw(st.integers(0, left))
        gone = draw(st.integers(0, left - kept))
        parts += [kept, draw(st.text(max_size=3)), -gone]
        left -= kept + gone
    return normal(parts)


@given(works())
def test_the_text_is_that_of_its_edits(work: tuple[State, list[State]]) -> None:
    state, states = work
    text = states[0].text
    for edit in state.edits:
        text = apply(text, edit.operation)
        assert text == states[edit.version].text
    assert [each.version for each in state.edits] == list(range(1, state.version + 1))
    assert state.size_bytes == len(state.text.encode())


@given(works())
def test_every_edit_can_be_taken_back(work: tuple[State, list[State]]) -> None:
    state, states = work
    text = state.text
    for edit in reversed(state.edits):
        text = apply(text, edit.inverse())
        assert text == states[edit.version - 1].text
    for version in range(state.version):
        assert state.text_before(state.since(version)) == states[version].text


@given(works())
def test_when_everybody_has_undone_everything_the_text_is_what_it_was(
    work: tuple[State, list[State]],
) -> None:
    state, states = work
    for person in PEOPLE:
        own = [each for each in state.edits if each.person == person]
        for _ in own:
            try:
                state = after(state, TakeBack(ID, Origin.UNDO, person, NOW))
            except NothingToUndo:
                break
    if len({each.person for each in state.edits}) <= 1:
        assert state.text == states[0].text


@given(works(), st.data())
def test_an_edit_may_be_brought_forward_before_it_is_ordered(
    work: tuple[State, list[State]], data: st.DataObject
) -> None:
    """As is done outside of the lock, so that less is left to be done under it."""
    state, states = work
    base = data.draw(st.integers(0, state.version))
    write = make_write(base, data.draw(fitting(states[base].text)))
    halfway = data.draw(st.integers(base, state.version))

    forward = advanced(states[halfway], write)

    assert forward.base == halfway
    assert after(state, forward).text == after(state, write).text


def test_an_edit_needs_a_version_that_there_is() -> None:
    state = typed(make_state(), "a", "b")

    with pytest.raises(BaseNotReached):
        after(state, make_write(3, ("x",)))
    with pytest.raises(InvalidRequest):
        after(state, make_write(0, (1, "x")))
    with pytest.raises(DocumentNotFound):
        decide({}, make_write(0, ("x",)))


def test_fields_are_taken_whatever_is_kept_of_the_version_that_they_were_written_on() -> None:
    state, fields = make_state(version=5, oldest_version=2), {"title": Written("x", Time(1))}

    made = after(state, Write(ID, 1, NOTHING, fields, "ann", NOW))

    assert (made.version, made.fields) == (6, fields)
    with pytest.raises(BaseNotReached):
        after(state, Write(ID, 6, NOTHING, fields, "ann", NOW))


def test_what_is_not_in_memory_is_asked_for() -> None:
    state = make_state(version=5, oldest_version=2)

    with pytest.raises(HistoryCompacted):
        after(state, make_write(1, ("x",)))
    with pytest.raises(Behind) as behind:
        after(state, make_write(3, ("x",)))
    assert behind.value.version == 3
    with pytest.raises(Behind) as behind:
        after(state, TakeBack(ID, Origin.UNDO, "ann", NOW))
    assert behind.value.version == 2


def test_no_more_edits_are_kept_in_memory_than_an_undo_may_need() -> None:
    state = typed(make_state(), *["x"] * (KEPT + 7))

    assert len(state.edits) == KEPT
    assert state.reach == 7
    assert after(state, TakeBack(ID, Origin.UNDO, "ann", NOW)).text == "x" * (KEPT + 6)
    with pytest.raises(NothingToUndo):
        after(state, TakeBack(ID, Origin.UNDO, "bob", NOW))


def test_of_large_edits_fewer_are_kept_in_memory() -> None:
    text = "x" * (MOST_KEPT // 8)
    state = make_state()
    for version in range(12):
        state = after(state, make_write(version, (text, -len(text)) if version else (text,)))

    assert (len(state.edits), state.reach, state.is_cut) == (4, 8, True)
    assert state.edits_size == sum(each.size for each in state.edits) == MOST_KEPT
    earlier = state.edits
    assert state.deepened(earlier).edits == earlier
    state = after(state, TakeBack(ID, Origin.UNDO, "ann", NOW))
    assert (state.text, len(state.edits)) == (text, 4)


def test_of_large_texts_fewer_edits_can_be_taken_back() -> None:
    assert make_state("x" * 2**20, version=100).first_to_undo == 36
    assert typed(make_state("x"), *["y"] * 100).first_to_undo == 0


def test_an_undo_counts_though_nothing_was_left_to_take_back() -> None:
    state = typed(make_state(), "one ", "two ")
    state = after(state, make_write(2, (-8,), "bob"))

    for _ in range(2):
        state = after(state, TakeBack(ID, Origin.UNDO, "ann", NOW))
        assert state.edits[-1].operation == NOTHING
    with pytest.raises(NothingToUndo):
        after(state, TakeBack(ID, Origin.UNDO, "ann", NOW))


def test_what_was_undone_before_counts_in_an_undo() -> None:
    """Two people delete side by side; what each takes back stands in its own place again."""
    state = after(
        make_state("abcd"),
        make_write(0, (1, -1)),
        make_write(1, (1, -1), "bob"),
        TakeBack(ID, Origin.UNDO, "ann", NOW),
        TakeBack(ID, Origin.UNDO, "bob", NOW),
    )

    assert state.text == "abcd"


def test_fields_alone_are_nothing_to_undo() -> None:
    fields = {"title": Written("x", Time(1))}
    state = after(make_state(), Write(ID, 0, NOTHING, fields, "ann", NOW))

    assert state.version == 1
    with pytest.raises(NothingToUndo):
        after(state, TakeBack(ID, Origin.UNDO, "ann", NOW))


def test_a_deleted_document_takes_nothing() -> None:
    made = decide({ID: make_state("x")}, Delete(ID))

    assert (made.after, made.change) == (None, Logged.DELETED)


def test_compaction_keeps_what_comes_after_it() -> None:
    state = typed(make_state("."), "a", "b", "c", "d")
    oldest = typed(make_state("."), "a", "b")

    made = decide({ID: state}, Compact(oldest, NOW))

    assert made.after is not None
    assert [each.version for each in made.after.edits] == [3, 4]
    assert (made.after.document.oldest_version, made.after.text) == (2, state.text)
    assert (made.oldest, made.change) == (oldest, Logged.RECORDED)
    again = decide({ID: made.after}, Compact(oldest, NOW))
    assert (again.after, again.change, again.oldest) == (made.after, None, None)


def test_compaction_knows_when_the_first_edit_that_stays_was_made() -> None:
    state = typed(make_state(), "a", "b")
    later = NOW + timedelta(days=1)
    state = after(state, Write(ID, 2, ("c",), {}, "ann", later))

    def since(state: State, oldest: State) -> datetime | None:
        return after(state, Compact(oldest, None)).document.edits_since

    assert since(state, typed(make_state(), "a", "b")) == later
    assert since(state, typed(make_state(), "a", "b", "c")) is None


def test_a_rewriting_forgets_everything_before_it() -> None:
    state = typed(make_state(), "Ann ")

    made = decide({ID: state}, Rewrite(ID, 1, "erased ", {}, NOW))

    assert made.after is not None
    assert (made.after.text, made.after.edits, made.edit) == ("erased ", (), None)
    assert (made.after.version, made.after.document.oldest_version) == (2, 2)
    assert made.oldest == made.after
    with pytest.raises(DocumentBusy):
        decide({ID: state}, Rewrite(ID, 0, "", {}, NOW))


def test_only_who_makes_the_noted_item_finishes_a_save() -> None:
    noted = after(make_state("x"), Saving(ID, 0), Saving(ID, 7))
    assert noted.document.saving_version == 0

    done = after(noted, Saved(ID, ITEM, 0, is_new=True))
    assert (done.document.item, done.document.saving_version) == (ITEM, None)
    late = decide({ID: done}, Saved(ID, OTHER, 0, is_new=True))
    assert (late.after, late.change) == (done, None)
    assert after(done, Saved(ID, ITEM, 3, is_new=False)).document.saved_version == 3
    assert after(done, Saved(ID, OTHER, 3, is_new=False)) == done


def test_a_note_of_a_version_that_was_forgotten_does_not_count() -> None:
    state = make_state("x", version=9, oldest_version=5, saving_version=4)

    assert after(state, Saving(ID, 9)).document.saving_version == 9
