"""What taking back an edit leaves and takes."""

from collections.abc import Iterator
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from libs.ot import Operation, apply, invert, past_all
from libs.ot.undo import Origin, Step, begin, open_to_undo, take_back
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
        return self.edit(self.taking_back(version), version)

    def taking_back(self, version: int) -> Operation:
        links = {step.version: step.takes_back for step in self.steps if step.takes_back}
        first = begin(links, version)
        return take_back(self.texts[first - 1], self.steps[first - 1 :], version)


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


def test_what_two_deleted_side_by_side_comes_back_in_its_order() -> None:
    history = History("xaby")
    last = history.edit((2, -1))
    first = history.edit((1, -1))
    history.take_back(last)
    history.take_back(first)

    assert history.text == "xaby"


def test_what_was_typed_by_an_undone_edit_does_not_come_back() -> None:
    history = History("xy")
    typed = history.edit((1, "abc"))
    deleted = history.edit((2, -1))
    history.take_back(typed)
    history.take_back(deleted)

    assert history.text == "xy"


def test_an_edit_that_was_taken_back_has_nothing_left_to_take() -> None:
    history = History("xy")
    typed = history.edit((1, "abc"))
    history.take_back(typed)

    assert take_back("xy", history.steps, typed) == ()


def test_steps_begin_with_the_earliest_edit_that_later_ones_take_back() -> None:
    assert begin({}, 5) == 5
    assert begin({4: 3, 6: 5}, 5) == 5
    assert begin({7: 2}, 5) == 2
    assert begin({7: 4, 3: 1}, 6) == 4
    assert begin({7: 4, 5: 1}, 6) == 1
    assert begin({5: 1}, 5) == 5  # to make it again, its own edit is not needed
    assert begin({7: 2, 8: 7}, 5) == 5  # nor one that was made again


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
        apply(history.text, history.taking_back(version))


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
