"""What taking back an edit leaves and takes."""

from collections.abc import Iterator
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from libs.ot import Operation, apply, invert, past_all
from libs.ot.undo import Origin, Step, open_to_undo, take_back
from tests.unit.ot.strategies import operations, texts


class History:
    """Edits in order, with the texts of all versions."""

    def __init__(self, text: str) -> None:
        self.texts = [text]
        self.steps: list[Step] = []

    @property
    def text(self) -> str:
        return self.texts[-1]

    def edit(self, operation: Operation, takes_back: int | None = None) -> int:
        self.texts.append(apply(self.text, operation))
        self.steps.append(Step(len(self.steps) + 1, operation, takes_back))
        return len(self.steps)

    def take_back(self, version: int) -> int:
        operation = take_back(self.texts[version - 1], self.steps[version - 1 :])
        return self.edit(operation, version)


@given(texts, st.data())
def test_taking_all_back_in_turn_leads_to_the_beginning(text: str, data: st.DataObject) -> None:
    history = History(text)
    for _ in range(data.draw(st.integers(1, 5))):
        history.edit(data.draw(operations(len(history.text))))
    edits, last = len(history.steps), history.text
    undos = [history.take_back(version) for version in range(edits, 0, -1)]
    assert history.text == text

    for version in reversed(undos):
        history.take_back(version)
    assert history.text == last


@given(texts, st.data())
def test_what_was_taken_back_and_made_again_can_be_taken_back(
    text: str, data: st.DataObject
) -> None:
    history = History(text)
    version = history.edit(data.draw(operations(len(text))))
    for turn in range(5):
        version = history.take_back(version)
        assert history.text == history.texts[turn % 2]


@given(texts, st.data())
def test_what_others_typed_stays(text: str, data: st.DataObject) -> None:
    """Private code points stand for what each of them typed."""
    marks = (chr(0xF0000 + number) for number in count())
    history = History("".join(next(marks) for _ in text))
    mine = history.edit(_marked(data.draw(operations(len(history.text))), marks))
    typed = set(history.text) - set(history.texts[0])
    others: set[str] = set()
    for _ in range(data.draw(st.integers(0, 4))):
        history.edit(_marked(data.draw(operations(len(history.text))), marks))
        others |= set(history.text) - set(history.texts[-2])
    before = set(history.text)
    history.take_back(mine)

    deleted = set(history.texts[0]) - set(history.texts[1])
    assert set(history.text) == (before - typed) | deleted
    assert before & others <= set(history.text)


def _marked(operation: Operation, marks: Iterator[str]) -> Operation:
    return tuple(
        "".join(next(marks) for _ in part) if isinstance(part, str) else part for part in operation
    )


def test_a_text_that_was_deleted_and_is_back_is_still_known() -> None:
    history = History("ab")
    typed = history.edit((1, "xyz"))
    deleted = history.edit((2, -1))
    history.edit(("> ",))
    history.take_back(deleted)
    history.take_back(typed)

    assert history.text == "> ab"


def test_who_takes_back_after_others_took_back_theirs() -> None:
    history = History("")
    history.edit(("one two three",))
    word = history.edit((4, -4))
    history.edit((9, "!"))
    history.take_back(word)
    assert history.text == "one two three!"

    history.take_back(1)
    assert history.text == "!"


@given(texts, st.data())
def test_any_order_of_taking_back_leaves_a_text(text: str, data: st.DataObject) -> None:
    """Whoever takes back what, and be it twice: every operation fits and the texts agree."""
    history = History(text)
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()) and history.steps:
            history.take_back(data.draw(st.integers(1, len(history.steps))))
        else:
            history.edit(data.draw(operations(len(history.text))))

    for version in range(1, len(history.steps) + 1):
        apply(history.text, take_back(history.texts[version - 1], history.steps[version - 1 :]))


@given(texts, st.data())
def test_without_undos_it_is_the_inverse_past_the_later_ones(
    text: str, data: st.DataObject
) -> None:
    history = History(text)
    for _ in range(data.draw(st.integers(1, 5))):
        history.edit(data.draw(operations(len(history.text))))
    first, *later = (step.operation for step in history.steps)

    assert take_back(text, history.steps) == past_all(invert(first, text), later)


EDIT, UNDO, REDO = Origin.EDIT, Origin.UNDO, Origin.REDO


def test_the_latest_own_edit_is_the_next_to_undo() -> None:
    assert open_to_undo([]) == ([], [])
    assert open_to_undo([(1, EDIT), (4, EDIT)]) == ([1, 4], [])
    assert open_to_undo([(1, EDIT), (4, EDIT), (5, UNDO)]) == ([1], [5])
    assert open_to_undo([(1, EDIT), (4, EDIT), (5, UNDO), (7, UNDO)]) == ([], [5, 7])
    assert open_to_undo([(1, EDIT), (4, EDIT), (5, UNDO), (7, UNDO), (9, REDO)]) == ([9], [5])
    assert open_to_undo([(1, EDIT), (2, UNDO), (3, REDO), (4, UNDO)]) == ([], [4])
    assert open_to_undo([(1, EDIT), (5, UNDO), (6, EDIT)]) == ([6], [])


def test_an_undo_whose_edit_is_no_longer_kept_is_undone_all_the_same() -> None:
    assert open_to_undo([(5, UNDO), (7, EDIT)]) == ([7], [])
    assert open_to_undo([(5, UNDO)]) == ([], [5])
