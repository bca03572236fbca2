"""Morning: a platform administrator makes two tenants."""

from aeterna.governance.v1 import tenants_pb2 as pb
from cli.demo.cast import Cast
from cli.session import PLATFORM_ADMIN, Session
from libs.auth import Role

_COMPANIES = (("harborline", "Harborline Payments"), ("lumen-field", "Lumen & Field, designers"))


async def create_tenants(cast: Cast) -> list[str]:
    """Makes both companies; gives their labels."""
    cast.stage.act("A platform administrator makes two tenants")
    admin = await cast.join("platform", "platform-operations", [Role(PLATFORM_ADMIN)])
    taken = await _labels(admin)
    return [await _create(cast, admin, taken, *company) for company in _COMPANIES]


async def _labels(admin: Session) -> set[str]:
    answer = await admin.tenants.ListTenants(pb.ListTenantsRequest(page_size=1000))
    return {tenant.name.partition("/")[2] for tenant in answer.tenants}


async def _create(
    cast: Cast, admin: Session, taken: set[str], label: str, display_name: str
) -> str:
    """In a folder that was played in before, the label gets a number."""
    candidates = [label, *(f"{label}-{number}" for number in range(2, len(taken) + 3))]
    free = next(each for each in candidates if each not in taken)
    request = pb.CreateTenantRequest(tenant_id=free, tenant=pb.Tenant(display_name=display_name))
    tenant = await admin.tenants.CreateTenant(request)
    cast.stage.check("the new tenant's state", tenant.state, pb.TENANT_STATE_ACTIVE)
    cast.stage.done(
        f"{tenant.name}: {display_name}, on shard {tenant.placement.shard}", "tenants created"
    )
    return free
