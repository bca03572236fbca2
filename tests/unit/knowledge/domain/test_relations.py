"""When items may be linked and unlinked."""

from dataclasses import replace
from uuid import UUID

import pytest

from libs.changes import Operation, Step
from libs.errors import InvalidRequest
from libs.scope import Scope
from services.knowledge.domain.item import Stored
from services.knowledge.domain.relations import (
    Known,
    Link,
    RelationKind,
    Unlink,
    decide,
    targets,
)
from services.knowledge.domain.status import Status
from services.knowledge.errors import ItemNotFound, NotADraft, RelationExists, RelationNotFound
from tests.unit.knowledge.factories import make_item, make_relation

ONE, TWO = make_item(id=UUID(int=1)), make_item(id=UUID(int=2))
ENDS = {ONE.id: ONE, TWO.id: TWO}
NOT_DRAFTS = [status for status in Status if status is not Status.DRAFT]


@pytest.mark.parametrize("kind", RelationKind)
def test_two_items_are_linked_once_in_each_way(kind: RelationKind) -> None:
    relation = make_relation(ONE, TWO, kind)

    assert targets(Link(relation)) == (ONE.id, TWO.id)
    placed = replace(relation, place_ids=ONE.scope.place())
    assert decide(ENDS, Link(relation)) == [Step(Operation.CREATED, None, placed)]
    known: dict[UUID, Known] = {**ENDS, relation.id: relation}
    with pytest.raises(RelationExists) as refused:
        decide(known, Link(make_relation(ONE, TWO, kind, number=10)))

    assert refused.value.metadata["relationId"] == str(relation.id)
    assert decide(known, Link(make_relation(TWO, ONE, kind, number=10)))
    others = [other for other in RelationKind if other is not kind]
    assert all(decide(known, Link(make_relation(ONE, TWO, other, number=10))) for other in others)


def test_an_item_is_not_linked_to_itself() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decide(ENDS, Link(make_relation(ONE, ONE, RelationKind.CLARIFIES)))

    assert refused.value.metadata["fields"] == "relation.target"


@pytest.mark.parametrize("missing", [ONE, TWO])
def test_both_ends_must_exist(missing: Stored) -> None:
    known = {key: item for key, item in ENDS.items() if key != missing.id}

    with pytest.raises(ItemNotFound) as refused:
        decide(known, Link(make_relation(ONE, TWO, RelationKind.CLARIFIES)))

    assert refused.value.metadata["knowledgeItemId"] == str(missing.id)


@pytest.mark.parametrize("kind", RelationKind)
def test_what_is_linked_can_be_unlinked(kind: RelationKind) -> None:
    relation = make_relation(ONE, TWO, kind)

    assert targets(Unlink(relation.id)) == (relation.id,)
    steps = decide({relation.id: relation, **ENDS}, Unlink(relation.id))

    placed = replace(relation, place_ids=ONE.scope.place())
    assert steps == [Step(Operation.DELETED, placed, None)]


@pytest.mark.parametrize(
    ("source", "target", "place"),
    [
        (Scope("o", "red"), Scope("o", "red"), {"org": "o", "team": "red", "project": ""}),
        (Scope("o", "red"), Scope("o", "blue"), {"org": "o", "project": ""}),
        (Scope("o", "red"), Scope(), {"project": ""}),
    ],
)
def test_a_link_is_where_both_of_its_ends_are(
    source: Scope, target: Scope, place: dict[str, str]
) -> None:
    ends = (replace(ONE, scope=source), replace(TWO, scope=target))
    relation = make_relation(*ends, RelationKind.CLARIFIES)
    known: dict[UUID, Known] = {each.id: each for each in (*ends, relation)}

    (made,) = decide({each.id: each for each in ends}, Link(relation))
    (removed,) = decide(known, Unlink(relation.id))

    assert made.entity.place_ids == removed.entity.place_ids == place


def test_what_is_not_linked_cannot_be_unlinked() -> None:
    with pytest.raises(RelationNotFound):
        decide(ENDS, Unlink(UUID(int=99)))
    with pytest.raises(RelationNotFound):
        decide(ENDS, Unlink(ONE.id))


@pytest.mark.parametrize("status", NOT_DRAFTS)
def test_what_a_review_replaces_is_settled_before_it(status: Status) -> None:
    source = make_item(id=ONE.id, status=status)
    relation = make_relation(source, TWO, RelationKind.SUPERSEDES)
    clarifies = make_relation(source, TWO, RelationKind.CLARIFIES, number=10)
    known = {**ENDS, source.id: source}

    with pytest.raises(NotADraft) as refused:
        decide(known, Link(relation))
    with pytest.raises(NotADraft):
        decide({**known, relation.id: relation}, Unlink(relation.id))

    assert refused.value.metadata["status"] == status.value
    assert decide(known, Link(clarifies))
    assert decide({**known, clarifies.id: clarifies}, Unlink(clarifies.id))


@pytest.mark.parametrize("status", Status)
def test_anything_may_be_superseded(status: Status) -> None:
    target = make_item(id=TWO.id, status=status)

    assert decide(
        {ONE.id: ONE, target.id: target}, Link(make_relation(ONE, target, RelationKind.SUPERSEDES))
    )
