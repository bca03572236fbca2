"""What commands do to items, for any sequence of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.changes import Operation, Step
from libs.errors import AppError
from services.knowledge.domain.changes import Body, Create, Move, Update, decide, targets
from services.knowledge.domain.item import Stored
from services.knowledge.domain.status import TRANSITIONS, Status
from services.knowledge.errors import (
    IllegalTransition,
    ItemNotFound,
    SelfReview,
    VersionMismatch,
)
from tests.unit.knowledge.factories import NOON, make_item

MOVES = (Operation.PROPOSED, Operation.ACCEPTED, Operation.REJECTED, Operation.DEPRECATED)
IDS = tuple(UUID(int=number) for number in range(3))
LATER = NOON + timedelta(hours=1)


def move(operation: Operation, item: UUID = IDS[0], by: str = "ann", version: int = 0) -> Move:
    return Move(operation, item, version, LATER, by)


def play(items: dict[UUID, Stored], commands: Sequence[Body]) -> list[Step[Stored]]:
    """The steps of those commands that are not refused, each against what the last one left."""
    done: list[Step[Stored]] = []
    for command in commands:
        try:
            steps = decide(items, command)
        except AppError:
            continue
        items.update({step.entity.id: step.entity for step in steps})
        done += steps
    return done


commands = st.lists(
    st.one_of(
        st.builds(move, st.sampled_from(MOVES), st.sampled_from(IDS), st.sampled_from("abc")),
        st.builds(
            Update,
            st.sampled_from(IDS),
            st.integers(0, 3),
            st.just(LATER),
            st.none() | st.binary(max_size=3),
            st.none() | st.binary(max_size=3),
        ),
    ),
    max_size=40,
)
links = st.sets(
    st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda e: e[0] != e[1])
)


@given(links, commands)
def test_whatever_is_asked_items_live_by_the_rules(
    supersedes: set[tuple[UUID, UUID]], asked: list[Body]
) -> None:
    first = {
        each: make_item(
            id=each,
            supersedes=frozenset(target for source, target in supersedes if source == each),
        )
        for each in IDS
    }

    steps = play(dict(first), asked)

    for item in IDS:
        check_life(first[item], [step for step in steps if step.entity.id == item])


def check_life(first: Stored, steps: list[Step[Stored]]) -> None:
    """One item's steps follow each other, keep what never changes, and avoid no review."""
    proposer, before = "", first
    for step in steps:
        now = step.entity
        assert step.before == before
        assert (before.status, now.status) == TRANSITIONS[step.operation]
        assert now.version == before.version + 1
        assert (
            replace(
                now,
                status=before.status,
                version=before.version,
                updated_at=before.updated_at,
                proposer=before.proposer,
                title=before.title,
                content=before.content,
            )
            == before
        ), "all else is kept"
        if step.operation is Operation.PROPOSED:
            proposer = now.proposer
            assert proposer
        assert now.proposer == proposer, "who proposed it is kept"
        if step.operation is not Operation.UPDATED:
            assert (now.title, now.content) == (before.title, before.content)
        before = now


@given(commands)
def test_nothing_comes_into_force_unproposed_or_by_its_proposer(asked: list[Body]) -> None:
    items = {each: make_item(id=each) for each in IDS}
    for command in asked:
        before = dict(items)
        for step in play(items, [command]):
            if step.operation is Operation.PROPOSED:
                assert isinstance(command, Move)
                assert step.entity.proposer == command.by
            if step.entity.status is Status.ACCEPTED:
                assert isinstance(command, Move)
                assert before[step.entity.id].status is Status.PROPOSED
                assert before[step.entity.id].proposer not in ("", command.by)


def test_a_new_item_is_stored_as_it_is() -> None:
    item = make_item()

    assert targets(Create(item)) == ()
    assert decide({}, Create(item)) == [Step(Operation.CREATED, None, item)]


def test_an_update_replaces_what_it_gives() -> None:
    before = make_item(id=IDS[0])

    (title,) = decide({before.id: before}, Update(before.id, 1, LATER, title=b"new"))
    (content,) = decide({before.id: before}, Update(before.id, 0, LATER, content=b""))

    assert title.after == replace(before, version=2, title=b"new", updated_at=LATER)
    assert content.after == replace(before, version=2, content=b"", updated_at=LATER)
    assert title.indexed


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.DRAFT])
def test_only_drafts_are_rewritten(status: Status) -> None:
    item = make_item(id=IDS[0], status=status)

    with pytest.raises(IllegalTransition):
        decide({item.id: item}, Update(item.id, 0, LATER, title=b"new"))


@pytest.mark.parametrize("command", [Update(IDS[0], 0, LATER, b"x"), move(Operation.PROPOSED)])
def test_what_is_not_there_cannot_change(command: Body) -> None:
    assert targets(command) == (IDS[0],)
    with pytest.raises(ItemNotFound):
        decide({}, command)


@pytest.mark.parametrize(
    "command", [Update(IDS[0], 2, LATER, b"x"), move(Operation.PROPOSED, version=2)]
)
def test_another_version_is_not_changed(command: Body) -> None:
    item = make_item(id=IDS[0], version=3)

    with pytest.raises(VersionMismatch) as refused:
        decide({item.id: item}, command)

    assert refused.value.metadata["expectedVersion"] == "2"
    assert refused.value.metadata["currentVersion"] == "3"


def test_the_proposer_may_turn_down_but_not_accept() -> None:
    item = make_item(id=IDS[0], status=Status.PROPOSED, author="bob", proposer="ann")
    current = {item.id: item}

    with pytest.raises(SelfReview):
        decide(current, move(Operation.ACCEPTED, by="ann"))

    assert decide(current, move(Operation.REJECTED, by="ann"))
    assert decide(current, move(Operation.ACCEPTED, by="bob")), "the author is not the proposer"


def test_accepting_supersedes_what_is_in_force_and_nothing_else() -> None:
    old = make_item(id=IDS[1], status=Status.ACCEPTED, version=3)
    draft = make_item(id=IDS[2])
    new = make_item(
        id=IDS[0],
        status=Status.PROPOSED,
        proposer="ann",
        supersedes=frozenset({old.id, draft.id}),
    )
    current = {each.id: each for each in (old, draft, new)}

    steps = decide(current, move(Operation.ACCEPTED, by="bob"))

    assert [(step.entity.id, step.operation, step.entity.status) for step in steps] == [
        (new.id, Operation.ACCEPTED, Status.ACCEPTED),
        (old.id, Operation.SUPERSEDED, Status.SUPERSEDED),
    ]
    assert steps[1].entity.version == 4
    assert len(decide(current, move(Operation.REJECTED, by="bob"))) == 1
