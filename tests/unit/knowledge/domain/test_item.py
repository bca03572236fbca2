"""What a layer demands, and who is shown an item."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import InvalidRequest
from libs.scope import SCOPE_IDS, Scope
from services.knowledge.domain.item import BINDING, ITEM_IDS, Kind, Layer, Stored, View, check_scope
from services.knowledge.domain.status import Status
from tests.unit.knowledge.factories import make_item

ids = st.sampled_from(["", "1", "2"])
item_scopes = st.builds(Scope, org_id=ids, team_id=ids, project_id=ids)
scopes = st.builds(Scope, *[ids] * len(SCOPE_IDS))
items = st.builds(
    make_item,
    kind=st.sampled_from(Kind),
    layer=st.sampled_from(Layer),
    status=st.sampled_from(Status),
    scope=item_scopes,
)
views = st.builds(
    View, scopes, st.sets(st.sampled_from(Status), min_size=1), st.sets(st.sampled_from(Kind))
)


@pytest.mark.parametrize(
    ("layer", "needed"),
    [
        (Layer.PROJECT, "project_id"),
        (Layer.TEAM, "team_id"),
        (Layer.ORG, "org_id"),
        (Layer.COMPANY, ""),
    ],
)
def test_a_layer_needs_its_own_id_only(layer: Layer, needed: str) -> None:
    every = Scope(**dict.fromkeys(ITEM_IDS, "1"))
    check_scope(layer, every, "scope")
    if not needed:
        check_scope(layer, Scope(), "scope")
        return

    check_scope(layer, Scope(**{needed: "1"}), "scope")
    others = Scope(**{name: "1" for name in ITEM_IDS if name != needed})
    with pytest.raises(InvalidRequest) as refused:
        check_scope(layer, others, "scope")
    assert refused.value.metadata["fields"] == f"scope.{needed}"


@pytest.mark.parametrize(
    ("layer", "name"), list(product(Layer, ["session_id", "user_id", "agent_id"]))
)
def test_knowledge_is_about_no_person(layer: Layer, name: str) -> None:
    scope = Scope(**dict.fromkeys(ITEM_IDS, "1"), **{name: "ann"})

    with pytest.raises(InvalidRequest) as refused:
        check_scope(layer, scope, "item.scope")

    assert refused.value.metadata["fields"] == f"item.scope.{name}"


@given(items, views)
def test_a_view_shows_what_its_filter_finds_in_the_index(item: Stored, view: View) -> None:
    payload = item.payload()

    accepted: Any = view.filter()

    passes = all(payload.get(key, "") in values for key, values in accepted.items())

    assert view.shows(item) == passes


@given(items, views)
def test_a_view_shows_nothing_of_another_project_team_or_organization(
    item: Stored, view: View
) -> None:
    foreign = [
        name
        for name in BINDING[item.layer]
        if (ours := getattr(view.scope, name))
        and (theirs := getattr(item.scope, name))
        and ours != theirs
    ]

    wanted = item.status in view.statuses and (not view.kinds or item.kind in view.kinds)

    assert view.shows(item) == (wanted and not foreign)


@given(items)
def test_an_index_entry_tells_no_more_than_its_filters_need(item: Stored) -> None:
    assert set(item.payload()) <= {"kind", "layer", "status", *ITEM_IDS}
    assert item.subject == ""
