"""What hearing of a change comes to."""

from dataclasses import dataclass, field

import pytest

from libs.authorization.things import KNOWLEDGE_ITEM, MEMORY, TENANT, Thing
from libs.scope import PLACE, Scope
from services.sync.domain.sight import Read, reading

RED = Scope(org_id="o", team_id="red").place()


@dataclass(frozen=True)
class Logged:
    """A change as the log tells of it."""

    resource: str
    operation: str = "updated"
    layer: str = "team"
    subject: str = ""
    details: dict[str, str] = field(default_factory=lambda: dict(RED))


def test_a_memory_is_read_where_it_is() -> None:
    unknown = frozenset({"session", "agent", "status"})

    read = reading(Logged("memories/1", subject="ann"), "acme", "bob")

    place = {"layer": "team", "org": "o", "team": "red", "user": "ann"}
    assert read == Read("GetMemory", Thing(MEMORY, "acme", **place, unknown=unknown))


def test_an_item_is_read_where_it_is() -> None:
    read = reading(Logged("knowledgeItems/1"), "acme", "bob")

    unknown = frozenset({"status"})
    thing = Thing(KNOWLEDGE_ITEM, "acme", layer="team", org="o", team="red", unknown=unknown)
    assert read == Read("GetKnowledgeItem", thing)


@pytest.mark.parametrize("collection", ["memories", "knowledgeItems", "relations"])
def test_what_the_log_does_not_say_is_not_known(collection: str) -> None:
    old = reading(Logged(f"{collection}/1", details={}), "acme", "bob").thing
    torn = reading(Logged(f"{collection}/1", details={"org": "o", "x": "y"}), "acme", "bob").thing

    assert old.unknown >= PLACE.keys()
    assert torn.org == "o"
    assert torn.unknown & PLACE.keys() == {"team", "project"}


def test_what_is_recorded_is_for_those_who_read_the_trail() -> None:
    read = reading(Logged("memories/1", operation="recorded"), "acme", "bob")

    assert read == Read("ListAuditEntries", Thing(TENANT, "acme"))


@pytest.mark.parametrize(
    ("subject", "action"),
    [("", "ListChanges"), ("bob", "ListChanges"), ("ann", "ListAuditEntries")],
)
def test_what_is_about_another_is_for_those_who_read_the_trail(subject: str, action: str) -> None:
    read = reading(Logged("roleBindings/1", subject=subject), "acme", "bob")

    assert read == Read(action, Thing(TENANT, "acme"))
