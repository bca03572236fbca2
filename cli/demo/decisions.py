"""Afternoon at Harborline: the incident becomes a rule."""

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.knowledge.v1 import knowledge_pb2 as pb
from cli.demo import texts
from cli.demo.cast import Cast
from cli.demo.stage import Stage
from cli.session import Session
from libs.auth import Role


async def review(cast: Cast, tenant: str) -> None:
    """A rule is drafted, proposed, reviewed by somebody else, and then found."""
    stage = cast.stage
    tomas = await cast.join(tenant, texts.TOMAS, [Role.TECH_LEAD])
    adaeze = await cast.join(tenant, texts.ADAEZE, [Role.ARCHITECT])
    stage.act("14:00  Tomas writes down what the team decided; Adaeze reviews it")
    old = await _in_force(tomas, adaeze, *texts.OLD_RULE)
    stage.done(f"in force since spring: {old.title}", "knowledge items accepted")
    rule = await _draft(stage, tomas)
    await _supersede(stage, tomas, rule, old)
    await _decide(stage, tomas, adaeze, rule)
    replaced = await tomas.knowledge.GetKnowledgeItem(pb.GetKnowledgeItemRequest(name=old.name))
    stage.check("the status of the old rule", replaced.status, pb.KNOWLEDGE_STATUS_SUPERSEDED)
    stage.done("the old rule is superseded in the same step")
    await _find(stage, tomas, rule)


async def _create(author: Session, title: str, content: str) -> pb.KnowledgeItem:
    item = pb.KnowledgeItem(
        kind=pb.KNOWLEDGE_KIND_ADR,
        layer=pb.KNOWLEDGE_LAYER_TEAM,
        scope=Scope(team_id=texts.TEAM),
        title=title,
        content=content,
    )
    request = pb.CreateKnowledgeItemRequest(knowledge_item=item)
    return await author.knowledge.CreateKnowledgeItem(request)


async def _in_force(
    author: Session, reviewer: Session, title: str, content: str
) -> pb.KnowledgeItem:
    item = await _create(author, title, content)
    await author.knowledge.ProposeKnowledgeItem(pb.ProposeKnowledgeItemRequest(name=item.name))
    return await reviewer.knowledge.AcceptKnowledgeItem(
        pb.AcceptKnowledgeItemRequest(name=item.name)
    )


async def _draft(stage: Stage, tomas: Session) -> pb.KnowledgeItem:
    item = await _create(tomas, texts.RULE_TITLE, texts.RULE_DRAFT)
    stage.check("the status of a new item", item.status, pb.KNOWLEDGE_STATUS_DRAFT)
    patch = pb.KnowledgeItem(name=item.name, content=texts.RULE, version=item.version)
    item = await tomas.knowledge.UpdateKnowledgeItem(
        pb.UpdateKnowledgeItemRequest(knowledge_item=patch)
    )
    stage.done(f"drafted and rewritten, version {item.version}: {item.title}")
    return item


async def _supersede(
    stage: Stage, tomas: Session, rule: pb.KnowledgeItem, old: pb.KnowledgeItem
) -> None:
    relation = pb.Relation(source=rule.name, target=old.name, kind=pb.RELATION_KIND_SUPERSEDES)
    await tomas.knowledge.CreateRelation(pb.CreateRelationRequest(relation=relation))
    stage.done(f"it is to replace: {old.title}")


async def _decide(stage: Stage, tomas: Session, adaeze: Session, rule: pb.KnowledgeItem) -> None:
    await tomas.knowledge.ProposeKnowledgeItem(pb.ProposeKnowledgeItemRequest(name=rule.name))
    stage.done("proposed by Tomas")
    accept = pb.AcceptKnowledgeItemRequest(name=rule.name)
    own = tomas.knowledge.AcceptKnowledgeItem(accept)
    await stage.refused("Tomas accepts it himself", own, "SELF_REVIEW")
    accepted = await adaeze.knowledge.AcceptKnowledgeItem(accept)
    stage.check("the status after review", accepted.status, pb.KNOWLEDGE_STATUS_ACCEPTED)
    stage.done("accepted by Adaeze", "knowledge items accepted")


async def _find(stage: Stage, tomas: Session, rule: pb.KnowledgeItem) -> None:
    request = pb.SearchKnowledgeItemsRequest(query=texts.RULE_QUESTION, limit=3)
    found = (await tomas.knowledge.SearchKnowledgeItems(request)).results
    names = [each.knowledge_item.name for each in found]
    stage.check("what is found about the rule: only what is in force", names, [rule.name])
    stage.quote("?", texts.RULE_QUESTION)
    stage.quote("=", found[0].knowledge_item.title, f"{found[0].score:.2f}")
    stage.counts["searches that found the right thing first"] += 1
