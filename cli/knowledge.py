"""`aeterna knowledge`: what was decided."""

from enum import StrEnum
from typing import Annotated

import typer

from aeterna.knowledge.v1 import knowledge_pb2 as pb
from cli.arguments import enum, name, text_or_input
from cli.command import command
from cli.options import ScopeIds
from cli.paging import Limit, collect
from cli.session import Session
from cli.show import Shown

app = typer.Typer(help="Write down, review and find decisions.", no_args_is_help=True)


class Kind(StrEnum):
    """What an item is."""

    ADR = "adr"
    POLICY = "policy"
    PATTERN = "pattern"
    SPEC = "spec"
    HINDSIGHT = "hindsight"


class Layer(StrEnum):
    """How broadly an item applies, narrowest first."""

    PROJECT = "project"
    TEAM = "team"
    ORG = "org"
    COMPANY = "company"


class Status(StrEnum):
    """Where an item is in its life."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DEPRECATED = "deprecated"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class Link(StrEnum):
    """What one item is to another."""

    SUPERSEDES = "supersedes"
    SPECIALIZES = "specializes"
    EXCEPTION_TO = "exception_to"
    CLARIFIES = "clarifies"
    DERIVED_FROM = "derived_from"


Name = Annotated[str, typer.Argument(help="knowledgeItems/{uuid}, or the uuid alone.")]
Version = Annotated[
    int, typer.Option(help="Only if this is still the version; 0: whichever it is.")
]
_CREATE = (
    'aeterna knowledge create "One pool per pod" "At most 20 connections each, because ..."'
    " --kind adr --layer team --team payments"
)


@command(app, "create", example=_CREATE)
async def create(
    session: Session,
    title: Annotated[str, typer.Argument(help="One line.")],
    content: Annotated[str, typer.Argument(help="Markdown; - reads standard input.")],
    kind: Annotated[Kind, typer.Option(help="What it is.")],
    scope: ScopeIds,
    layer: Annotated[Layer, typer.Option(help="How broadly it applies.")] = Layer.COMPANY,
) -> Shown:
    """Begin a draft."""
    item = pb.KnowledgeItem(
        kind=pb.KnowledgeKind.ValueType(enum(pb.KnowledgeKind, kind)),
        layer=pb.KnowledgeLayer.ValueType(enum(pb.KnowledgeLayer, layer)),
        scope=scope.message(),
        title=title,
        content=text_or_input(content),
    )
    request = pb.CreateKnowledgeItemRequest(knowledge_item=item)
    return await session.knowledge.CreateKnowledgeItem(request)


@command(app, "get")
async def get(session: Session, item: Name) -> Shown:
    """Show one item."""
    return await session.knowledge.GetKnowledgeItem(pb.GetKnowledgeItemRequest(name=_item(item)))


@command(app, "list", example="aeterna knowledge list --filter 'kind = \"adr\"'")
async def list_(
    session: Session,
    filter: Annotated[str, typer.Option(help="Comparisons joined by AND (AIP-160).")] = "",
    limit: Limit = 50,
) -> Shown:
    """List items, newest first."""
    request = pb.ListKnowledgeItemsRequest(filter=filter)
    return await collect(session.knowledge.ListKnowledgeItems, request, "knowledge_items", limit)


@command(app, "update")
async def update(
    session: Session,
    item: Name,
    title: Annotated[str, typer.Option(help="The new title.", show_default=False)] = "",
    content: Annotated[
        str, typer.Option(help="The new text; - reads standard input.", show_default=False)
    ] = "",
    version: Version = 0,
) -> Shown:
    """Change the title or text of a draft."""
    patch = pb.KnowledgeItem(
        name=_item(item), title=title, content=text_or_input(content), version=version
    )
    request = pb.UpdateKnowledgeItemRequest(knowledge_item=patch)
    return await session.knowledge.UpdateKnowledgeItem(request)


@command(app, "propose")
async def propose(session: Session, item: Name, version: Version = 0) -> Shown:
    """Submit a draft for review."""
    request = pb.ProposeKnowledgeItemRequest(name=_item(item), version=version)
    return await session.knowledge.ProposeKnowledgeItem(request)


@command(app, "accept")
async def accept(session: Session, item: Name, version: Version = 0) -> Shown:
    """Put a proposed item in force; not your own."""
    request = pb.AcceptKnowledgeItemRequest(name=_item(item), version=version)
    return await session.knowledge.AcceptKnowledgeItem(request)


@command(app, "reject")
async def reject(session: Session, item: Name, version: Version = 0) -> Shown:
    """Turn a proposed item down."""
    request = pb.RejectKnowledgeItemRequest(name=_item(item), version=version)
    return await session.knowledge.RejectKnowledgeItem(request)


@command(app, "deprecate")
async def deprecate(session: Session, item: Name, version: Version = 0) -> Shown:
    """Say that an accepted item should no longer be followed."""
    request = pb.DeprecateKnowledgeItemRequest(name=_item(item), version=version)
    return await session.knowledge.DeprecateKnowledgeItem(request)


@command(app, "search", example='aeterna knowledge search "how many connections may a pod have?"')
async def search(
    session: Session,
    query: Annotated[str, typer.Argument(help="What to look for, in your own words.")],
    scope: ScopeIds,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only these kinds.", show_default="all")
    ] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these.", show_default="accepted")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 10,
    min_score: Annotated[
        float, typer.Option(min=-1, max=1, help="Leave out what is less similar; 0: nothing.")
    ] = 0.0,
) -> Shown:
    """Find the items nearest in meaning, best first."""
    request = pb.SearchKnowledgeItemsRequest(
        query=text_or_input(query),
        scope=scope.message(),
        kinds=[pb.KnowledgeKind.ValueType(enum(pb.KnowledgeKind, each)) for each in kind or ()],
        statuses=[
            pb.KnowledgeStatus.ValueType(enum(pb.KnowledgeStatus, each)) for each in status or ()
        ],
        limit=limit,
        min_score=min_score,
    )
    return (await session.knowledge.SearchKnowledgeItems(request)).results


@command(app, "history")
async def history(session: Session, item: Name, limit: Limit = 50) -> Shown:
    """Show every version of an item, oldest first."""
    request = pb.ListKnowledgeItemRevisionsRequest(name=_item(item))
    return await collect(session.knowledge.ListKnowledgeItemRevisions, request, "revisions", limit)


@command(app, "relate", example="aeterna knowledge relate 0198... 0197... --kind supersedes")
async def relate(
    session: Session,
    source: Name,
    target: Name,
    kind: Annotated[Link, typer.Option(help="What the first is to the second.")],
) -> Shown:
    """Link two items."""
    relation = pb.Relation(
        source=_item(source),
        target=_item(target),
        kind=pb.RelationKind.ValueType(enum(pb.RelationKind, kind)),
    )
    return await session.knowledge.CreateRelation(pb.CreateRelationRequest(relation=relation))


@command(app, "relations")
async def relations(session: Session, item: Name, limit: Limit = 50) -> Shown:
    """List the links from and to an item."""
    request = pb.ListRelationsRequest(knowledge_item=_item(item))
    return await collect(session.knowledge.ListRelations, request, "relations", limit)


@command(app, "unrelate")
async def unrelate(
    session: Session,
    relation: Annotated[str, typer.Argument(help="relations/{uuid}, or the uuid alone.")],
) -> Shown:
    """Remove a link."""
    request = pb.DeleteRelationRequest(name=name("relations", relation))
    await session.knowledge.DeleteRelation(request)
    return f"{request.name} is removed."


def _item(text: str) -> str:
    return name("knowledgeItems", text)
