"""Saving documents as knowledge: with the caller's own rights, safe when repeated or killed."""

from typing import Any
from uuid import UUID

import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from aeterna.sync.v1 import documents_pb2 as pb
from libs.auth import Role
from services.sync.documents.store.knowledge import GrpcKnowledge
from tests.errors import fails_with
from tests.integration.sync.documents.people import TENANT, Person
from tests.suite import Suite


async def items(suite: Suite) -> list[kb.KnowledgeItem]:
    """Every item, the oldest first."""
    request = kb.ListKnowledgeItemsRequest(page_size=100)
    found = await suite.knowledge.ListKnowledgeItems(request, metadata=suite.auth(TENANT))
    return list(found.knowledge_items)[::-1]


async def propose(suite: Suite, name: str) -> None:
    request = kb.ProposeKnowledgeItemRequest(name=name)
    await suite.knowledge.ProposeKnowledgeItem(request, metadata=suite.auth(TENANT))


async def test_a_note_becomes_a_draft_and_follows_the_document(suite: Suite, ann: Person) -> None:
    made = await ann.create("# Foxes\n\nThey are quick.", title="All about foxes")

    saved = await ann.save(made.name)
    await ann.edit(made.name, 0, 23, -1, "!")
    again = await ann.save(made.name)

    (item,) = await items(suite)
    assert saved.knowledge_item == again.knowledge_item == item.name
    assert (saved.saved_version, again.saved_version) == (0, 1)
    assert (item.title, item.content) == ("All about foxes", "# Foxes\n\nThey are quick!")
    assert (item.kind, item.layer) == (kb.KNOWLEDGE_KIND_SPEC, kb.KNOWLEDGE_LAYER_COMPANY)
    assert (item.author, item.version) == ("ann", 2)


async def test_a_repeat_changes_nothing(suite: Suite, ann: Person) -> None:
    name = (await ann.create("A text.")).name

    first, second = await ann.save(name), await ann.save(name)

    assert first == second
    (item,) = await items(suite)
    assert (item.title, item.version) == ("A text.", 1)


async def test_what_was_proposed_is_superseded_by_a_new_draft(suite: Suite, ann: Person) -> None:
    name = (await ann.create("One")).name
    first = await ann.save(name)
    await propose(suite, first.knowledge_item)
    assert (await ann.save(name)).knowledge_item == first.knowledge_item  # nothing new

    await ann.edit(name, 0, 3, " and two")
    second = await ann.save(name)

    old, new = await items(suite)
    assert (old.name, new.name) == (first.knowledge_item, second.knowledge_item)
    assert (old.content, new.content) == ("One", "One and two")
    request = kb.ListRelationsRequest(knowledge_item=new.name)
    found = await suite.knowledge.ListRelations(request, metadata=suite.auth(TENANT))
    (relation,) = found.relations
    assert (relation.source, relation.target) == (new.name, old.name)
    assert relation.kind == kb.RELATION_KIND_SUPERSEDES


async def test_a_policy_becomes_a_policy_at_its_place(suite: Suite, ann: Person) -> None:
    scope = scope_pb2.Scope(org_id="o", team_id="t")
    document = pb.Document(kind=pb.DOCUMENT_KIND_POLICY, scope=scope, text="\n## Rule\n\nDo.")
    made = await ann.stub.CreateDocument(
        pb.CreateDocumentRequest(document=document), metadata=ann.metadata
    )

    await ann.save(made.name)

    (item,) = await items(suite)
    assert (item.kind, item.layer) == (kb.KNOWLEDGE_KIND_POLICY, kb.KNOWLEDGE_LAYER_TEAM)
    assert (item.scope.org_id, item.scope.team_id, item.title) == ("o", "t", "Rule")


async def test_a_note_says_what_kind_of_knowledge_it_is(suite: Suite, ann: Person) -> None:
    await ann.save((await ann.create("x", knowledgeKind="adr")).name)

    (item,) = await items(suite)
    assert item.kind == kb.KNOWLEDGE_KIND_ADR


async def test_what_cannot_become_knowledge_is_refused(ann: Person) -> None:
    with fails_with("NOTHING_TO_SAVE"):
        await ann.save((await ann.create(" \n ")).name)
    with fails_with("TOO_LARGE_TO_SAVE"):
        await ann.save((await ann.create("x" * 300_000)).name)


async def test_the_caller_s_own_rights_count(suite: Suite, ann: Person) -> None:
    name = (await ann.create("x")).name
    viewer = Person(suite.documents, suite.auth(TENANT, "vic", (Role.VIEWER,)))

    with fails_with("PERMISSION_DENIED"):
        await viewer.save(name)
    assert await items(suite) == []


class Killed(Exception):
    """As if the process had ended there."""


@pytest.mark.parametrize("step", ["create", "supersede"])
async def test_a_save_that_was_killed_is_finished_by_the_next(
    suite: Suite, ann: Person, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    name = (await ann.create("One")).name
    first = await ann.save(name)
    await propose(suite, first.knowledge_item)
    await ann.edit(name, 0, 3, " and two")
    real: Any = getattr(GrpcKnowledge, step)

    async def done_but_not_heard_of(*values: Any) -> UUID:
        await real(*values)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(GrpcKnowledge, step, done_but_not_heard_of)
        with fails_with("INTERNAL"):
            await ann.save(name)
    await ann.edit(name, 1, 11, " and three")
    saved = await ann.save(name)

    old, new = await items(suite)
    assert saved.knowledge_item == new.name
    assert (old.content, new.content) == ("One", "One and two and three")
    request = kb.ListRelationsRequest(knowledge_item=new.name)
    found = await suite.knowledge.ListRelations(request, metadata=suite.auth(TENANT))
    assert [each.target for each in found.relations] == [old.name]
