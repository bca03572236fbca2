"""What commands do to memories: versions, layers, and numbers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libs.changes import Operation, numbered
from libs.errors import AppError, InvalidRequest
from libs.scope import Scope
from libs.vectors.filters import After, Condition, Rows, Until, time_text
from services.memory.domain.changes import (
    Body,
    Create,
    Delete,
    Promote,
    Rate,
    Supersede,
    Update,
    decide,
    targets,
)
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import (
    EVER,
    NARROW_TO_BROAD,
    NEVER,
    REQUIRED,
    Layer,
    Stored,
    Tier,
    View,
)
from services.memory.domain.upkeep import Entry
from services.memory.errors import (
    AlreadySuperseded,
    ArchivedMeanwhile,
    MemoryNotFound,
    NotBroader,
    TrustNeedsAdministrator,
    VersionMismatch,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVERYONE = Scope("o", "t", "p", "s", "u", "a")
IDS = [UUID(int=place) for place in range(4)]


def stored(memory_id: UUID = IDS[0], layer: Layer = Layer.USER, scope: Scope = EVERYONE) -> Stored:
    return Stored(
        memory_id, layer, scope, 0.5, 1, 0, b"content", b"{}", NOW, NOW, b"author", NOW, NOW
    )


def vector() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.ones(1, np.float32)


memory_ids = st.sampled_from(IDS)
versions = st.integers(0, 5)
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        lambda new, old: Create((stored(new),), (vector(),), ({},), {new: stored(old)}),
        memory_ids,
        memory_ids,
    ),
    st.builds(Update, memory_ids, versions, st.just(NOW), st.one_of(st.none(), st.binary())),
    st.builds(Delete, memory_ids, versions),
    st.builds(
        Promote, memory_ids, versions, st.just(NOW), st.sampled_from(Layer), st.just(EVERYONE)
    ),
)


@given(st.lists(bodies, max_size=30))
def test_versions_grow_by_one_and_numbers_follow_each_other(commands: list[Body]) -> None:
    current: dict[UUID, Stored] = {}
    steps = []
    for body in commands:
        if isinstance(body, Create) and body.memories[0].id in current:
            continue  # ids of new memories are never reused
        try:
            taken = list(decide(current, body))
        except AppError:
            continue
        for step in taken:
            assert step.entity.id in targets(body) or isinstance(body, Create)
            if step.before and step.after:
                assert step.after.version == step.before.version + 1
                assert step.after.subject == step.before.subject
            if step.after is None:
                del current[step.entity.id]
            else:
                current[step.after.id] = step.after
        steps += taken

    for place, step in enumerate(numbered(steps, 100), start=100):
        assert step.number == place
        assert step.after is None or step.after.number == place
        assert step.before is None or 100 <= step.before.number < place


@given(memory_ids, versions)
def test_what_does_not_exist_or_has_changed_is_refused(memory_id: UUID, version: int) -> None:
    current = {IDS[0]: stored()}
    for body in (Delete(memory_id, version), Update(memory_id, version, NOW, b"new")):
        if memory_id != IDS[0]:
            with pytest.raises(MemoryNotFound):
                list(decide(current, body))
        elif version not in (0, 1):
            with pytest.raises(VersionMismatch):
                list(decide(current, body))
        else:
            assert len(list(decide(current, body))) == 1


@given(st.sampled_from(Layer), st.sampled_from(Layer), st.booleans())
def test_promotion_goes_upwards_with_the_ids_it_needs(
    layer: Layer, target: Layer, has_ids: bool
) -> None:
    own = Scope(**dict.fromkeys(REQUIRED[layer], "own"))
    given_ids = EVERYONE if has_ids else Scope()
    body = Promote(IDS[0], 0, NOW, target, given_ids)
    current = {IDS[0]: stored(layer=layer, scope=own)}
    broader = NARROW_TO_BROAD.index(target) > NARROW_TO_BROAD.index(layer)
    missing = [name for name in REQUIRED[target] if not getattr(own, name)]
    person_missing = "user_id" in missing  # whom it is about cannot be added

    if not broader:
        with pytest.raises(NotBroader):
            list(decide(current, body))
    elif (missing and not has_ids) or person_missing:
        with pytest.raises(InvalidRequest):
            list(decide(current, body))
    else:
        (step,) = decide(current, body)
        assert step.operation is Operation.PROMOTED
        assert step.after is not None
        assert step.after.layer is target
        assert step.after.scope.user_id == own.user_id


@given(
    st.sampled_from(Layer),
    st.builds(Scope, *[st.sampled_from(["", "x", "y"])] * 6),
    *[st.sampled_from([EVER, NOW - SECOND, NOW, NOW + SECOND, NEVER])] * 2,
)
def test_the_filter_of_the_index_agrees_with_what_a_view_shows(
    layer: Layer, scope: Scope, begin: datetime, end: datetime
) -> None:
    memory = stored(layer=layer, scope=Scope("x", "x", "x", "x", "x", "x"))
    memory = replace(memory, valid_from=begin, valid_until=end)
    assume(begin < end)
    view = View(scope, NOW)
    payload = memory.payload()

    passes = all(_passes(payload.get(key), each) for key, each in view.filter().items())

    assert passes == view.shows(memory)


def _passes(value: str | None, accepted: Condition) -> bool:
    match accepted:
        case Until(at):
            return value is None or value <= time_text(at)
        case After(at):
            return value is None or value > time_text(at)
        case Rows():
            raise AssertionError("none was asked for")
    return (value or "") in accepted


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_texts_of_times_have_their_order(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


@given(*[st.sampled_from([EVER, NOW - SECOND, NOW, NOW + SECOND, NEVER])] * 3)
def test_a_correction_takes_over_without_a_gap_or_an_overlap(
    begin: datetime, end: datetime, takes_over: datetime
) -> None:
    assume(begin < end)
    old = replace(stored(layer=Layer.TEAM), valid_from=begin, valid_until=end)
    new = replace(stored(IDS[1]), valid_from=takes_over)
    body = Supersede(IDS[0], 0, new, vector(), {})
    if takes_over <= begin:
        with pytest.raises(InvalidRequest):
            list(decide({IDS[0]: old}, body))
        return

    created, closed = (step.after for step in decide({IDS[0]: old}, body))

    assert created
    assert closed
    assert (created.layer, created.supersedes) == (Layer.TEAM, IDS[0])
    assert (closed.valid_until, closed.superseded_by) == (min(end, takes_over), IDS[1])
    with pytest.raises(AlreadySuperseded):
        list(decide({IDS[0]: closed}, body))


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_trust_is_raised_by_administrators_only(before: float, after: float, may: bool) -> None:
    memory = replace(stored(), trust=before)
    body = Update(IDS[0], 0, NOW, trust=after, trusting=may)
    if after > before and not may:
        with pytest.raises(TrustNeedsAdministrator):
            list(decide({IDS[0]: memory}, body))
    else:
        (step,) = decide({IDS[0]: memory}, body)
        assert step.after
        assert step.after.trust == after


@pytest.mark.parametrize(
    "now",
    [
        {"content": b"other"},
        {"metadata": b"other"},
        {"layer": Layer.TEAM},
        {"scope": Scope()},
        {"valid_until": NOW},
        {"superseded_by": IDS[2]},
        {"trust": 0.9},
        None,
    ],
)
def test_a_memory_is_counted_in_another_one_only_as_that_was_seen(
    now: dict[str, Any] | None,
) -> None:
    new, seen = stored(IDS[1]), replace(stored(), importance=0.8, number=7)
    body = Create((new,), (vector(),), ({},), {new.id: seen})

    (step,) = decide({seen.id: replace(seen, **now)} if now else {}, body)
    (merged,) = decide({seen.id: replace(seen, importance=0.3, version=4)}, body)

    assert (step.operation, step.after) == (Operation.CREATED, new)
    assert (merged.operation, merged.indexed) == (Operation.MERGED, False)
    assert merged.after
    assert (merged.after.version, merged.after.occurrences) == (5, 2)
    assert merged.after.importance == 0.5


def confirmations(revival: Entry | None) -> list[Body]:
    return [
        Update(IDS[0], 0, NOW + SECOND, metadata=b"{}", revival=revival),
        Rate(IDS[0], NOW + SECOND, "user:ann", Feedback.HELPFUL, closing=False, revival=revival),
        Promote(IDS[0], 0, NOW + SECOND, Layer.COMPANY, Scope(), revival),
    ]


@pytest.mark.parametrize("tier", Tier)
def test_who_confirms_a_memory_brings_it_back_with_its_entries(tier: Tier) -> None:
    before = replace(stored(), tier=tier)
    revival = None if tier is Tier.HOT else Entry(before, vector(), {1: 1})

    for body in confirmations(revival):
        (step,) = decide({before.id: before}, body)

        assert step.after is not None
        assert (step.after.tier, step.after.confirmed_at) == (Tier.HOT, NOW + SECOND)
        assert (step.terms is None) == (revival is None)
        assert step.indexed or tier is Tier.HOT


def test_entries_of_an_earlier_text_are_not_used() -> None:
    made_of = Entry(replace(stored(), content=b"earlier"), vector(), {1: 1})
    warm, archived = (replace(stored(), tier=tier) for tier in (Tier.WARM, Tier.ARCHIVED))

    for body in [*confirmations(made_of), *confirmations(None)]:
        (step,) = decide({warm.id: warm}, body)
        assert (step.vector, step.terms, step.indexed) == (None, None, True)  # made from its row
        with pytest.raises(ArchivedMeanwhile):
            decide({archived.id: archived}, body)


@pytest.mark.parametrize("said", [each for each in Feedback if each is not Feedback.HELPFUL])
def test_fault_is_no_confirmation(said: Feedback) -> None:
    before = replace(stored(), tier=Tier.WARM)

    (step,) = decide({before.id: before}, Rate(IDS[0], NOW + SECOND, "user:ann", said, True))

    assert step.after is not None
    assert (step.after.tier, step.after.confirmed_at) == (Tier.WARM, NOW)
