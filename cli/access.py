"""`aeterna check`: may somebody do something, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Annotated

import typer

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import access_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from cli.options import Output, ScopeIds
from cli.session import Session
from cli.show import Shown, plain
from libs.errors import invalid

_MYSELF = "me"
# What the verbs mean, by the collection; others are actions of the schema.
_VERBS: Mapping[str, Mapping[str, str]] = {
    "memories": {
        "read": "GetMemory",
        "create": "CreateMemory",
        "write": "UpdateMemory",
        "delete": "DeleteMemory",
        "promote": "PromoteMemory",
    },
    "knowledgeItems": {
        "read": "GetKnowledgeItem",
        "create": "CreateKnowledgeItem",
        "write": "UpdateKnowledgeItem",
        "propose": "ProposeKnowledgeItem",
        "accept": "AcceptKnowledgeItem",
    },
}


@dataclass(frozen=True)
class Who:
    """What is known of the person's token beside his name."""

    role: Annotated[
        list[str] | None,
        typer.Option(
            help="A role of his token, beside those that he was given; several times.",
            show_default=False,
        ),
    ] = None
    by: Annotated[str, typer.Option(help="The agent that acts for him.", show_default=False)] = ""
    can: Annotated[
        list[str] | None,
        typer.Option(help="A capability of an agent that is not registered.", show_default=False),
    ] = None

    def message(self, name: str) -> pb.AccessPrincipal:
        """Nothing is said of oneself."""
        if name == _MYSELF:
            return pb.AccessPrincipal()
        return pb.AccessPrincipal(
            user=name, roles=self.role or (), agent=self.by, capabilities=self.can or ()
        )


async def check(
    session: Session,
    who: Annotated[str, typer.Argument(help="The user, as tokens name their subject; or: me.")],
    action: Annotated[
        str, typer.Argument(help="read, create, write, delete, promote, or GetMemory and the like.")
    ],
    resource: Annotated[
        str, typer.Argument(help="memories, knowledgeItems, one of them by name, or none.")
    ] = "",
    token: Who = Who(),
    scope: ScopeIds = ScopeIds(),  # noqa: B008 - it cannot be changed
    layer: Annotated[str, typer.Option(help="The layer of the thing.", show_default=False)] = "",
    status: Annotated[str, typer.Option(help="The status of the thing.", show_default=False)] = "",
) -> Shown:
    """Say whether somebody may do something, by which policies, or why not."""
    collection, _, one = resource.partition("/")
    thing = (
        await _stored(session, collection, resource)
        if one
        else _resource(scope.message(), layer, status)
    )
    request = pb.CheckAccessRequest(
        principal=token.message(who), action=_action(collection, action), resource=thing
    )
    answer = await session.access.CheckAccess(request)
    return answer if session.options.output is Output.JSON else plain("\n".join(_told(answer)))


def _told(answer: pb.CheckAccessResponse) -> Iterator[str]:
    """The answer in words."""
    yield "allowed" if answer.allowed else f"denied: {answer.reason}"
    for policy in answer.policies:
        notes = [f"{name}: {text}" for name, text in policy.annotations.items() if name != "id"]
        yield " ".join([policy.policy, *(f"({note})" for note in notes)])
        yield indent(policy.text, "    ")
    if answer.roles:
        yield f"roles there: {', '.join(answer.roles)}"
    if answer.sufficient_role:
        yield f"the role {answer.sufficient_role} would be enough"


def _action(collection: str, action: str) -> str:
    if collection and collection not in _VERBS:
        raise invalid("resource", f"must be of {' or '.join(_VERBS)}")
    return _VERBS.get(collection, {}).get(action, action)


async def _stored(session: Session, collection: str, name: str) -> pb.AccessResource:
    """The place of a thing that there is."""
    if collection == "memories":
        memory = await session.memory.GetMemory(memory_pb2.GetMemoryRequest(name=name))
        layer = memory_pb2.Layer.Name(memory.layer).removeprefix("LAYER_").lower()
        tier = memory_pb2.Tier.Name(memory.tier).removeprefix("TIER_").lower()
        return _resource(memory.scope, layer, tier)
    request = knowledge_pb2.GetKnowledgeItemRequest(name=name)
    item = await session.knowledge.GetKnowledgeItem(request)
    layer = knowledge_pb2.KnowledgeLayer.Name(item.layer).removeprefix("KNOWLEDGE_LAYER_").lower()
    status = knowledge_pb2.KnowledgeStatus.Name(item.status)
    return _resource(item.scope, layer, status.removeprefix("KNOWLEDGE_STATUS_").lower())


def _resource(scope: scope_pb2.Scope, layer: str, status: str) -> pb.AccessResource:
    ids = {field.name: value for field, value in scope.ListFields()}
    return pb.AccessResource(layer=layer, status=status, **ids)
