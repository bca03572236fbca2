"""What a document is as an item of knowledge."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.ot.clocks import Time, Written
from libs.scope import Scope
from services.sync.documents.domain.document import Document, Kind, State
from services.sync.documents.domain.drafts import Draft, draft_of
from services.sync.documents.errors import NothingToSave, TooLargeToSave

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def draft(text: str, kind: Kind = Kind.NOTE, scope: Scope | None = None, **fields: str) -> Draft:
    document = Document(UUID(int=1), kind, scope or Scope(), "ann", NOW, NOW)
    written = {name: Written(value, Time(1)) for name, value in fields.items()}
    return draft_of(State.of(document, text, written))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Foxes\n\nQuick.", "Foxes"),
        ("\n\n  One line  ", "One line"),
        ("###\n", "###"),
        ("tab\there", "tab here"),
        ("\x01\n\x7f \nseen", "seen"),
        ("é" * 400, "é" * 256),
        ("🦊" * 400, "🦊" * 128),
    ],
)
def test_the_first_line_is_the_title(text: str, title: str) -> None:
    assert draft(text).title == title


def test_a_field_is_the_title_if_there_is_one() -> None:
    assert draft("text", title="A\ntitle ").title == "A title"
    assert draft("text", title="  ").title == "text"


def test_a_policy_is_a_policy_and_a_note_what_it_says() -> None:
    assert draft("x", Kind.POLICY, knowledgeKind="adr").kind == "policy"
    assert draft("x").kind == "spec"
    assert draft("x", knowledgeKind="hindsight").kind == "hindsight"
    assert draft("x", knowledgeKind="policy").kind == "spec"


@pytest.mark.parametrize(
    ("scope", "layer"),
    [
        (Scope(), "company"),
        (Scope(org_id="o"), "org"),
        (Scope(org_id="o", team_id="t"), "team"),
        (Scope(project_id="p"), "project"),
    ],
)
def test_the_narrowest_place_is_the_layer(scope: Scope, layer: str) -> None:
    assert draft("x", scope=scope).layer == layer


def test_what_cannot_be_an_item_is_refused() -> None:
    with pytest.raises(NothingToSave):
        draft(" \n\t")
    with pytest.raises(TooLargeToSave):
        draft("é" * 140_000)
