"""Policies that are written in knowledge items: in force while the item is."""

from dataclasses import dataclass
from typing import Any

import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import constraints_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from libs.auth import Role
from tests.errors import fails_with
from tests.suite import Metadata, Suite

TEXT = """# HTTP clients

```constraints
key = "http"
mode = "mandatory"

[[rule]]
id = "no-requests"
operator = "must_not_use"
target = "import"
pattern = "requests"
severity = "block"
message = "Use httpx."
```
"""
TEAM = scope_pb2.Scope(team_id="payments")


@dataclass(frozen=True)
class People:
    """Somebody who writes, somebody who reviews; and what judges."""

    suite: Suite
    author: Metadata
    reviewer: Metadata

    async def draft(self, content: str = TEXT, **values: Any) -> kb.KnowledgeItem:
        defaults: dict[str, Any] = {
            "kind": kb.KNOWLEDGE_KIND_POLICY,
            "layer": kb.KNOWLEDGE_LAYER_COMPANY,
            "title": "HTTP",
        }
        item = kb.KnowledgeItem(**{**defaults, **values}, content=content)
        request = kb.CreateKnowledgeItemRequest(knowledge_item=item)
        return await self.suite.knowledge.CreateKnowledgeItem(request, metadata=self.author)

    async def propose(self, item: kb.KnowledgeItem) -> kb.KnowledgeItem:
        request = kb.ProposeKnowledgeItemRequest(name=item.name)
        return await self.suite.knowledge.ProposeKnowledgeItem(request, metadata=self.author)

    async def accept(self, item: kb.KnowledgeItem) -> kb.KnowledgeItem:
        await self.propose(item)
        request = kb.AcceptKnowledgeItemRequest(name=item.name)
        return await self.suite.knowledge.AcceptKnowledgeItem(request, metadata=self.reviewer)

    async def deprecate(self, item: kb.KnowledgeItem) -> None:
        request = kb.DeprecateKnowledgeItemRequest(name=item.name)
        await self.suite.knowledge.DeprecateKnowledgeItem(request, metadata=self.reviewer)

    async def supersede(self, old: kb.KnowledgeItem, new: kb.KnowledgeItem) -> None:
        relation = kb.Relation(source=new.name, target=old.name, kind=kb.RELATION_KIND_SUPERSEDES)
        request = kb.CreateRelationRequest(relation=relation)
        await self.suite.knowledge.CreateRelation(request, metadata=self.author)

    async def policies(self) -> list[pb.ConstraintPolicy]:
        request = pb.ListConstraintPoliciesRequest()
        answer = await self.suite.constraints.ListConstraintPolicies(request, metadata=self.author)
        return list(answer.constraint_policies)

    async def check(self, module: str = "requests", **values: Any) -> pb.CheckConstraintsResponse:
        changes = pb.ChangeSet(imports=[pb.Import(module=module)])
        request = pb.CheckConstraintsRequest(change_set=changes, **values)
        return await self.suite.constraints.CheckConstraints(request, metadata=self.author)


@pytest.fixture
async def people(suite: Suite) -> People:
    author = await suite.create_tenant("acme")
    return People(suite, author, suite.auth("acme", "rev", (Role.TECH_LEAD,)))


async def test_an_item_s_constraints_are_in_force_while_it_is(people: People) -> None:
    item = await people.draft()
    assert (await people.check()).judged_rules == 0

    accepted = await people.accept(item)

    (policy,) = await people.policies()
    assert policy.source == item.name
    assert policy.name.partition("/")[2] == item.name.partition("/")[2]
    assert (policy.key, policy.title, policy.version) == ("http", "HTTP", accepted.version)
    assert policy.mode == pb.POLICY_MODE_MANDATORY
    assert policy.change_number == accepted.change_number
    verdict = await people.check()
    assert not verdict.valid
    assert verdict.violations[0].message == "requests is not allowed: Use httpx."
    await people.deprecate(item)
    assert await people.policies() == []
    assert (await people.check()).valid


async def test_an_item_of_a_team_binds_the_team(people: People) -> None:
    await people.accept(await people.draft(layer=kb.KNOWLEDGE_LAYER_TEAM, scope=TEAM))

    assert not (await people.check(scope=TEAM)).valid
    assert (await people.check()).valid


async def test_what_an_item_supersedes_is_in_force_no_more(people: People) -> None:
    old = await people.draft()
    await people.accept(old)
    new = await people.draft(TEXT.replace("requests", "urllib3"))
    await people.supersede(old, new)

    await people.accept(new)

    assert [each.source for each in await people.policies()] == [new.name]
    assert (await people.check()).valid
    assert not (await people.check("urllib3")).valid


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ('operator = "must_not_use"', 'operator = "must"', "constraints.rule[0].operator"),
        ('pattern = "requests"', 'pattern = "requests', ""),
        ('key = "http"', "", "constraints.key"),
    ],
)
async def test_a_wrong_block_is_refused_when_it_is_proposed(
    people: People, before: str, after: str, field: str
) -> None:
    item = await people.draft(TEXT.replace(before, after))

    with fails_with("INVALID_REQUEST", f"knowledge_item.content.{field}".rstrip(".")):
        await people.propose(item)


async def test_an_item_that_contradicts_a_mandatory_one_is_refused(people: People) -> None:
    await people.accept(await people.draft())
    against = TEXT.replace('"http"', '"clients"').replace("must_not_use", "must_use")
    below = TEXT.replace('severity = "block"', 'severity = "info"')

    with fails_with("CONSTRAINT_CONFLICT"):
        await people.propose(await people.draft(against))
    with fails_with("MANDATORY_POLICY"):
        await people.propose(await people.draft(below, layer=kb.KNOWLEDGE_LAYER_TEAM, scope=TEAM))


async def test_a_policy_of_an_item_changes_by_its_item_only(people: People) -> None:
    await people.accept(await people.draft())
    (policy,) = await people.policies()
    update = pb.UpdateConstraintPolicyRequest(constraint_policy=policy)
    update.update_mask.paths.append("title")

    with fails_with("POLICY_OF_ITEM"):
        await people.suite.constraints.UpdateConstraintPolicy(update, metadata=people.reviewer)
    with fails_with("POLICY_OF_ITEM"):
        await people.suite.constraints.DeleteConstraintPolicy(
            pb.DeleteConstraintPolicyRequest(name=policy.name), metadata=people.reviewer
        )


async def test_items_of_other_kinds_may_show_constraints(people: People) -> None:
    await people.accept(await people.draft(kind=kb.KNOWLEDGE_KIND_PATTERN))
    await people.accept(await people.draft("No block."))

    assert await people.policies() == []
