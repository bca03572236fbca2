"""gRPC servicer of checks: may somebody do something, and why."""

from collections.abc import Sequence
from dataclasses import replace

from aeterna.governance.v1 import access_pb2 as pb
from aeterna.governance.v1 import access_pb2_grpc
from libs.auth import Identity, Role
from libs.authorization.engine import actions
from libs.authorization.things import TENANT, Thing
from libs.errors import invalid
from libs.service.caller import Caller, caller
from libs.service.pipeline import Context
from services.governance.authorization.api.common import named, policy_name
from services.governance.authorization.domain.cedar import annotations
from services.governance.authorization.operations import Answer, Check


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """`aeterna.governance.v1.AccessService` over the operation."""

    def __init__(self, check: Check) -> None:
        self._check = check

    async def CheckAccess(
        self, request: pb.CheckAccessRequest, context: Context
    ) -> pb.CheckAccessResponse:
        (answer,) = await self._answers(caller(), [request], "")
        return answer

    async def BatchCheckAccess(
        self, request: pb.BatchCheckAccessRequest, context: Context
    ) -> pb.BatchCheckAccessResponse:
        answers = await self._answers(caller(), request.requests, "requests[{}].")
        return pb.BatchCheckAccessResponse(responses=answers)

    async def _answers(
        self, current: Caller, requests: Sequence[pb.CheckAccessRequest], path: str
    ) -> list[pb.CheckAccessResponse]:
        questions = [
            _question(current, each, path.format(place)) for place, each in enumerate(requests)
        ]
        if any(identity != current.identity for identity, _, _ in questions):
            current.demand("CheckAccessOfOthers")
        shows = current.may("ReadPolicy")
        answers = await self._check(current.route, questions)
        return [_message(each, shows=shows) for each in answers]


def _question(
    current: Caller, request: pb.CheckAccessRequest, path: str
) -> tuple[Identity, str, Thing]:
    kind = actions().kind(request.action)
    if kind is None:
        raise invalid(f"{path}action", "is no action of the schema")
    thing = _thing(current, request.resource, kind)
    if request.resource.kind not in ("", kind):
        raise invalid(f"{path}resource.kind", f"must be {kind} for this action")
    return _identity(current, request.principal, path), request.action, thing


def _identity(current: Caller, asked: pb.AccessPrincipal, path: str) -> Identity:
    """Who it is about: the caller as he is, when nothing is said of him."""
    if not asked.ListFields():
        return current.identity
    for place, agent in enumerate([asked.agent, *asked.delegation] if asked.agent else []):
        named(agent, f"{path}principal.{'delegation' if place else 'agent'}")
    return replace(
        current.identity,
        tenant=current.tenant,
        subject=named(asked.user, f"{path}principal.user")
        if asked.user
        else current.identity.subject,
        roles=frozenset(map(Role, asked.roles)),
        agent=asked.agent,
        delegation=tuple(asked.delegation) if asked.agent else (),
        capabilities=frozenset(asked.capabilities),
    )


def _thing(current: Caller, resource: pb.AccessResource, kind: str) -> Thing:
    if kind == TENANT:
        return Thing(TENANT, current.tenant)
    return Thing(
        kind,
        current.tenant,
        layer=resource.layer,
        org=resource.org_id,
        team=resource.team_id,
        project=resource.project_id,
        session=resource.session_id,
        user=resource.user_id,
        agent=resource.agent_id,
        status=resource.status,
    )


def _message(answer: Answer, *, shows: bool) -> pb.CheckAccessResponse:
    sufficient = answer.sufficient
    return pb.CheckAccessResponse(
        allowed=answer.decision.allowed,
        reason=answer.decision.reason,
        policies=[_policy(each, answer, shows=shows) for each in answer.decision.policies],
        roles=sorted(answer.roles),
        sufficient_role=sufficient.value if sufficient else "",
    )


def _policy(policy: str, answer: Answer, *, shows: bool) -> pb.DecidingPolicy:
    text = answer.texts.get(policy, "") if shows else ""
    return pb.DecidingPolicy(
        policy=policy_name(policy),
        text=text,
        annotations=annotations(text) if text else {},
    )
