"""The client's side of a shared text, step by step; tests/convergence has them all together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ot import apply, compose, transform
from libs.ot.shared import Diverged, Edit, Request, SharedText, State
from tests.unit.ot.strategies import operations, texts


def test_what_is_typed_is_sent_once_and_then_together() -> None:
    shared = SharedText.opened(7, "ab")
    assert shared.state is State.SYNCHRONISED
    assert shared.sent("one") == shared

    shared = shared.typed((1, "x"))
    assert (shared.state, shared.text, shared.base) == (State.UNSENT, "axb", "ab")
    shared = shared.sent("one")
    assert shared.state is State.AWAITING
    assert shared.request == Request("one", 7, (1, "x"))

    shared = shared.typed((2, "y")).typed((3, "z"))
    assert shared.state is State.AWAITING_WITH_BUFFER
    assert shared.sent("two") == shared

    shared, done = shared.received(Edit(8, (1, "x"), "one"))
    assert (shared.state, shared.text, shared.base, done) == (State.UNSENT, "axyzb", "axb", ())
    shared = shared.sent("two")
    assert shared.request == Request("two", 8, (2, "yz"))

    shared, _ = shared.received(Edit(9, (2, "yz"), "two"))
    assert (shared.state, shared.version) == (State.SYNCHRONISED, 9)


def test_an_edit_of_others_goes_around_what_was_typed() -> None:
    shared = SharedText.opened(0, "ab").typed((1, "x")).sent("one").typed((2, "y"))
    shared, done = shared.received(Edit(1, ("> ", 1, "<"), "other"))

    assert done == ("> ", 1, "<")
    assert shared.text == "> a<xyb"
    assert shared.request == Request("one", 0, (1, "x"))
    assert (shared.awaiting, shared.buffer) == ((4, "x"), (5, "y"))


def test_edits_that_come_early_wait_and_those_that_come_again_are_dropped() -> None:
    shared = SharedText.opened(0, "")
    shared, done = shared.received(Edit(2, (1, "b")), Edit(3, (2, "c")))
    assert (shared.text, shared.has_gap, done) == ("", True, ())

    shared, done = shared.received(Edit(1, ("a",)))
    assert (shared.text, shared.has_gap, done) == ("abc", False, ("abc",))

    again, done = shared.received(Edit(2, (1, "b")), Edit(1, ("a",)))
    assert (again, done) == (shared, ())


def test_missed_edits_tell_whether_the_own_one_was_taken() -> None:
    shared = SharedText.opened(0, "ab").typed((1, "x")).sent("one").typed((2, "y"))
    missed = [Edit(1, (2, "!")), Edit(2, (1, "x"), "one"), Edit(3, ("> ",))]
    taken, done = shared.received(*missed)
    assert (taken.text, taken.state, taken.version) == ("> axyb!", State.UNSENT, 3)
    assert done == ("> ", 4, "!")

    waiting, _ = shared.received(missed[0])
    assert waiting.request == shared.request  # the very same is sent again


def test_another_edit_under_the_own_id_is_noticed() -> None:
    shared = SharedText.opened(0, "ab").typed((1, "x")).sent("one")

    with pytest.raises(Diverged, match="Version 1"):
        shared.received(Edit(1, (1, "z"), "one"))


@given(texts, st.data())
def test_the_seen_text_is_the_servers_and_what_is_on_its_way(
    text: str, data: st.DataObject
) -> None:
    shared, sent, seen = SharedText.opened(0, text), 0, text
    for _ in range(data.draw(st.integers(1, 8))):
        step = data.draw(st.sampled_from(["typed", "sent", "others", "ordered"]))
        if step == "typed":
            operation = data.draw(operations(len(shared.text)))
            shared, seen = shared.typed(operation), apply(seen, operation)
        elif step == "sent":
            shared, sent = shared.sent(f"own-{sent}"), sent + 1
        elif step == "others":
            operation = data.draw(operations(len(shared.base)))
            shared, done = shared.received(Edit(shared.version + 1, operation))
            seen = apply(seen, done)
        elif shared.request:
            own = Edit(shared.version + 1, shared.awaiting, shared.request.request_id)
            shared, _ = shared.received(own)
        assert shared.text == seen
        assert shared.text == apply(apply(shared.base, shared.awaiting), shared.buffer)


@given(texts, texts, st.data())
def test_what_was_typed_is_kept_when_the_document_is_read_again(
    old: str, new: str, data: st.DataObject
) -> None:
    shared = SharedText.opened(3, old).typed(data.draw(operations(len(old)))).sent("one")
    shared = shared.typed(data.draw(operations(len(shared.text))))
    again = shared.reloaded(9, new)

    assert (again.version, again.base, again.request) == (9, new, None)
    assert again.text == apply(new, again.buffer)
    assert _inserted(again.buffer) == _inserted(compose(shared.awaiting, shared.buffer))


@given(texts, texts, st.data())
def test_what_was_taken_is_not_typed_again(old: str, new: str, data: st.DataObject) -> None:
    shared = SharedText.opened(3, old).typed(data.draw(operations(len(old)))).sent("one")
    shared = shared.typed(data.draw(operations(len(shared.text))))
    again = shared.reloaded(9, new, taken=True)

    assert (again.version, again.base, again.request) == (9, new, None)
    assert again.text == apply(new, again.buffer)
    assert _inserted(again.buffer) == _inserted(shared.buffer)


def _inserted(operation: tuple[int | str, ...]) -> str:
    return "".join(part for part in operation if isinstance(part, str))


def test_what_the_server_refuses_can_be_given_up() -> None:
    shared = SharedText.opened(3, "ab").typed((1, "x")).sent("one").typed((2, "y"))
    shared, _ = shared.received(Edit(4, (2, "!")))
    given_up = shared.given_up()

    assert (given_up.text, given_up.state, given_up.version) == ("ab!", State.SYNCHRONISED, 4)


def test_a_text_typed_without_operations_is_merged() -> None:
    shared = SharedText.opened(3, "one two three").retyped("one 2 three, four")
    shared, _ = shared.received(Edit(4, (4, "and ")))

    assert shared.text == "one and 2 three, four"
    assert shared.buffer == transform((4, "2", -3, 6, ", four"), (4, "and "), "right")
