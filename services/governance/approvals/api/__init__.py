"""gRPC servicer of approvals: translates, nothing else."""

from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2

from aeterna.governance.v1 import approvals_pb2 as pb
from aeterna.governance.v1 import approvals_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, parse
from libs.aip.filtering import Kind as FieldKind
from libs.aip.names import resource_uuid
from libs.aip.paging import Page, bad_token
from libs.approvals import COLLECTION, SCOPE_IDS, Kind, Risk, State
from libs.auth import Role
from libs.changes import Asked
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.scope import Scope
from libs.service.caller import Caller, caller
from libs.service.convert import asked, scope_from
from libs.service.pipeline import Context
from services.governance.approvals.api.messages import (
    asking_from,
    checked_scope,
    config_from,
    config_to,
    delegation_from,
    delegation_to,
    request_to,
)
from services.governance.approvals.domain import Person
from services.governance.approvals.errors import AgentMayNotDecide
from services.governance.approvals.operations import RequestOperations, SettingOperations
from services.governance.approvals.ports import Settings
from services.governance.approvals.settings_store import DELEGATIONS

_PAGE = 100
_FILTER = {
    **{name: Field(name, FieldKind.TEXT) for name in (*SCOPE_IDS, "target", "requester")},
    "kind": Field("kind", FieldKind.ENUM, {each.value: each.value for each in Kind}),
    "state": Field("state", FieldKind.ENUM, {each.value: each.value for each in State}),
    "risk": Field("risk", FieldKind.ENUM, {each.value: each.value for each in Risk}),
    "create_time": Field("created_at", FieldKind.TIME),
    "expire_time": Field("expires_at", FieldKind.TIME),
}


@dataclass(frozen=True)
class ApprovalServicer(pb_grpc.ApprovalServiceServicer):
    """`aeterna.governance.v1.ApprovalService` over the operations."""

    requests: RequestOperations
    settings: SettingOperations
    stored: Settings
    keyring: Keyring

    async def CreateApprovalRequest(
        self, request: pb.CreateApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        current, new = caller(), request.approval_request
        asking = asking_from(new, current.identity)
        by = await self._asked(current, "CreateApprovalRequest", request)
        return request_to(
            await self.requests.open(current.route, by, asking, new.title, new.description)
        )

    async def GetApprovalRequest(
        self, request: pb.GetApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        found = resource_uuid(request.name, COLLECTION)
        return request_to(await self.requests.get(caller().route, found))

    async def ListApprovalRequests(
        self, request: pb.ListApprovalRequestsRequest, context: Context
    ) -> pb.ListApprovalRequestsResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListApprovalRequests/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding, maximum=_PAGE)
        found = await self.requests.page(current.route, where, page.after_id(), page.limit)
        messages = [(each.stored.approval.id, request_to(each)) for each in found]
        shown, token = page.cut(messages, lambda each: each[0], lambda each: each[1].ByteSize())
        return pb.ListApprovalRequestsResponse(
            approval_requests=[message for _, message in shown], next_page_token=token
        )

    async def ApproveApprovalRequest(
        self, request: pb.ApproveApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        return await self._decide("ApproveApprovalRequest", request, approves=True)

    async def RejectApprovalRequest(
        self, request: pb.RejectApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        return await self._decide("RejectApprovalRequest", request, approves=False)

    async def WithdrawApprovalRequest(
        self, request: pb.WithdrawApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        current, name = caller(), resource_uuid(request.name, COLLECTION)
        by = await self._asked(current, "WithdrawApprovalRequest", request)
        return request_to(await self.requests.withdraw(current.route, by, _person(current), name))

    async def ApplyApprovalRequest(
        self, request: pb.ApplyApprovalRequestRequest, context: Context
    ) -> pb.ApprovalRequest:
        current, name = caller(), resource_uuid(request.name, COLLECTION)
        by = await self._asked(current, "ApplyApprovalRequest", request)
        digest = request.payload_digest
        return request_to(
            await self.requests.carry_out(current.route, by, _person(current), name, digest)
        )

    async def CreateApprovalDelegation(
        self, request: pb.CreateApprovalDelegationRequest, context: Context
    ) -> pb.ApprovalDelegation:
        current, draft = caller(), delegation_from(request.approval_delegation)
        by = await self._asked(current, "CreateApprovalDelegation", request)
        return delegation_to(
            await self.settings.delegate(current.route, by, _decider(current), draft)
        )

    async def ListApprovalDelegations(
        self, request: pb.ListApprovalDelegationsRequest, context: Context
    ) -> pb.ListApprovalDelegationsResponse:
        current = caller()
        person = _whose(current)
        binding = f"ListApprovalDelegations/{current.tenant}/{person}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self.stored.delegations(current.route, person, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda each: each.id, lambda _: 1500)
        return pb.ListApprovalDelegationsResponse(
            approval_delegations=map(delegation_to, shown), next_page_token=token
        )

    async def DeleteApprovalDelegation(
        self, request: pb.DeleteApprovalDelegationRequest, context: Context
    ) -> empty_pb2.Empty:
        current, name = caller(), resource_uuid(request.name, DELEGATIONS)
        by = await self._asked(current, "DeleteApprovalDelegation", request)
        await self.stored.undelegate(current.route, by, name, _whose(current))
        return empty_pb2.Empty()

    async def GetApprovalConfig(
        self, request: pb.GetApprovalConfigRequest, context: Context
    ) -> pb.ApprovalConfig:
        scope = checked_scope(scope_from(request.scope), "scope")
        return config_to(await self.settings.effective(caller().route, scope))

    async def ListApprovalConfigs(
        self, request: pb.ListApprovalConfigsRequest, context: Context
    ) -> pb.ListApprovalConfigsResponse:
        current = caller()
        binding = f"ListApprovalConfigs/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        first = page.after_number()
        if first < 0:
            raise bad_token()
        found = (await self.stored.configured(current.route))[first:][: page.limit]
        numbered = [(at, config_to(each)) for at, each in enumerate(found, start=first + 1)]
        shown, token = page.cut(numbered, lambda each: each[0], lambda each: each[1].ByteSize())
        return pb.ListApprovalConfigsResponse(
            approval_configs=[message for _, message in shown], next_page_token=token
        )

    async def SetApprovalConfig(
        self, request: pb.SetApprovalConfigRequest, context: Context
    ) -> pb.ApprovalConfig:
        current, new = caller(), request.approval_config
        scope = checked_scope(scope_from(new.scope), "approval_config.scope")
        config = config_from(new)
        by = await self._asked(current, "SetApprovalConfig", request)
        return config_to(await self.settings.configure(current.route, by, scope, config, new.etag))

    async def DeleteApprovalConfig(
        self, request: pb.DeleteApprovalConfigRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        scope = checked_scope(scope_from(request.scope), "scope")
        by = await self._asked(current, "DeleteApprovalConfig", request)
        await self.stored.unconfigure(current.route, by, scope, request.etag)
        return empty_pb2.Empty()

    async def _decide(self, method: str, request: Any, *, approves: bool) -> pb.ApprovalRequest:
        current, name = caller(), resource_uuid(request.name, COLLECTION)
        if "\0" in request.comment:
            raise invalid("comment", "must not hold NUL")
        by = await self._asked(current, method, request)
        return request_to(
            await self.requests.decide(
                current.route, by, _decider(current), name, approves, request.comment
            )
        )

    async def _asked(self, current: Caller, method: str, request: Any) -> Asked:
        return await asked(current, self.keyring, method, request)


def _person(current: Caller) -> Person:
    """Who is calling, with the roles of the token and those that are bound to parts of the tenant,
    as far as approvals know of them."""
    principal = current.asker.principal
    bound = tuple(
        (Scope(each.org_id, each.team_id, each.project_id), each.role)
        for each in principal.bindings
    )
    return Person(principal.person, principal.roles, bound)


def _decider(current: Caller) -> Person:
    """The same, who is no agent."""
    identity = current.identity
    if identity.agent or identity.delegation or Role.AGENT in identity.roles:
        raise AgentMayNotDecide
    return _person(current)


def _whose(current: Caller) -> str:
    """Whose delegations the caller may see and end; "" for everybody's."""
    return "" if current.may("ConfigureApprovals") else current.identity.subject
