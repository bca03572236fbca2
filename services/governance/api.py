"""gRPC servicer of tenants: translates, nothing else."""

from hashlib import sha256
from uuid import UUID

from google.protobuf.message import Message

from aeterna.governance.v1 import tenants_pb2, tenants_pb2_grpc
from libs.aip.names import resource_id
from libs.aip.paging import Page, bad_token
from libs.authorization.things import TENANT, Thing
from libs.changes import Asked, Origin, Request
from libs.service.caller import Caller, caller
from libs.service.convert import timestamp
from libs.service.pipeline import Context
from libs.tenancy import TenantId, parse_tenant_id
from services.governance.domain.tenant import Draft, State, Tenant
from services.governance.operations import TenantOperations
from services.governance.ports import Registry

COLLECTION = "tenants"
_STATES = {
    State.ACTIVE: tenants_pb2.TENANT_STATE_ACTIVE,
    State.SUSPENDED: tenants_pb2.TENANT_STATE_SUSPENDED,
}


class TenantServicer(tenants_pb2_grpc.TenantServiceServicer):
    """`aeterna.governance.v1.TenantService` over the operations; reads go to the registry."""

    def __init__(self, operations: TenantOperations, registry: Registry) -> None:
        self._do, self._registry = operations, registry

    async def CreateTenant(
        self, request: tenants_pb2.CreateTenantRequest, context: Context
    ) -> tenants_pb2.Tenant:
        by = _asked(caller(), "CreateTenant", request, request.request_id)
        tenant = parse_tenant_id(request.tenant_id, "tenant_id")
        draft = Draft(tenant, request.tenant.display_name, request.shard)
        return _tenant(await self._do.create(by, draft))

    async def GetTenant(
        self, request: tenants_pb2.GetTenantRequest, context: Context
    ) -> tenants_pb2.Tenant:
        tenant = _tenant_id(request.name)
        caller().demand("GetTenant", Thing(TENANT, tenant))
        return _tenant(await self._registry.get(tenant))

    async def ListTenants(
        self, request: tenants_pb2.ListTenantsRequest, context: Context
    ) -> tenants_pb2.ListTenantsResponse:
        page = Page.asked(request.page_size, request.page_token, binding="ListTenants")
        tenants = await self._registry.page(after_label(page), page.limit)
        shown, token = page.cut(tenants, lambda tenant: tenant.id)
        return tenants_pb2.ListTenantsResponse(tenants=map(_tenant, shown), next_page_token=token)

    async def SuspendTenant(
        self, request: tenants_pb2.SuspendTenantRequest, context: Context
    ) -> tenants_pb2.Tenant:
        by = _asked(caller(), "SuspendTenant", request, request.request_id)
        return _tenant(await self._do.suspend(by, _tenant_id(request.name)))

    async def ResumeTenant(
        self, request: tenants_pb2.ResumeTenantRequest, context: Context
    ) -> tenants_pb2.Tenant:
        by = _asked(caller(), "ResumeTenant", request, request.request_id)
        return _tenant(await self._do.resume(by, _tenant_id(request.name)))


def _asked(current: Caller, method: str, message: Message, request_id: str) -> Asked:
    """As `libs.service.convert.asked`, for requests that belong to no tenant and hold nothing
    that a keyed hash would have to hide."""
    if not request_id:
        return Asked(current.origin, None)
    identity = UUID(request_id)
    fingerprint = sha256(message.SerializeToString(deterministic=True)).digest()
    origin = Origin(current.origin.actor, current.origin.trace_id, str(identity))
    return Asked(origin, Request(identity, method, fingerprint))


def _tenant_id(name: str) -> TenantId:
    return TenantId(resource_id(name, COLLECTION))


def after_label(page: Page) -> str:
    """The id in a page token of a list that is ordered by labels; "" for the first page."""
    match page.key:
        case None:
            return ""
        case [str(tenant)]:
            return tenant
    raise bad_token()


def _tenant(tenant: Tenant) -> tenants_pb2.Tenant:
    return tenants_pb2.Tenant(
        name=f"{COLLECTION}/{tenant.id}",
        display_name=tenant.display_name,
        state=_STATES[tenant.state],
        placement=tenants_pb2.Placement(shard=tenant.shard, epoch=tenant.epoch),
        create_time=timestamp(tenant.created_at),
        update_time=timestamp(tenant.updated_at),
    )
