"""Which operation leads from which status to which: all of them, legal and not."""

from itertools import product

import pytest

from libs.changes import Operation
from services.knowledge.domain.status import TRANSITIONS, Status, after
from services.knowledge.errors import IllegalTransition

LIFE = {
    (Status.DRAFT, Operation.UPDATED): Status.DRAFT,
    (Status.DRAFT, Operation.PROPOSED): Status.PROPOSED,
    (Status.PROPOSED, Operation.ACCEPTED): Status.ACCEPTED,
    (Status.PROPOSED, Operation.REJECTED): Status.REJECTED,
    (Status.ACCEPTED, Operation.DEPRECATED): Status.DEPRECATED,
    (Status.ACCEPTED, Operation.SUPERSEDED): Status.SUPERSEDED,
}


@pytest.mark.parametrize(("status", "operation"), sorted(product(Status, TRANSITIONS)))
def test_the_table_of_life(status: Status, operation: Operation) -> None:
    if (status, operation) in LIFE:
        assert after(status, operation) is LIFE[status, operation]
        return

    with pytest.raises(IllegalTransition) as refused:
        after(status, operation)

    (end,) = (end for (_, asked), end in LIFE.items() if asked is operation)
    assert refused.value.metadata == {"from": status.value, "to": end.value}


def test_every_way_into_force_leads_over_a_proposal() -> None:
    reached = {Status.DRAFT}
    for _ in Status:
        reached |= {
            end
            for origin, end in TRANSITIONS.values()
            if origin in reached and origin is not Status.PROPOSED
        }

    assert reached == {Status.DRAFT, Status.PROPOSED}


def test_the_ends_of_a_life_are_final() -> None:
    origins = {origin for origin, _ in TRANSITIONS.values()}

    assert set(Status) - origins == {Status.DEPRECATED, Status.SUPERSEDED, Status.REJECTED}
