"""What must not work: reading another tenant, doing without a role, sending nonsense."""

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.governance.v1 import tenants_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from cli.demo import texts
from cli.demo.cast import Cast
from cli.demo.memories import Incident, ask
from cli.demo.stage import Stage
from cli.session import PLATFORM_ADMIN, Session
from libs.auth import Role


async def strangers(cast: Cast, harborline: str, lumen: str, incident: Incident) -> None:
    """A second tenant asks the same questions."""
    stage = cast.stage
    stage.act("10:15  Lumen & Field asks in the same words and finds nothing of Harborline")
    jun = await cast.join(lumen, texts.JUN)
    await _nothing(stage, jun)
    own = await _keep_all(jun)
    stage.done(f"the studio stores {len(own)} memories of its own", "memories stored", len(own))
    await _only_own(stage, jun, own)
    await ask(stage, jun, texts.LUMEN_QUESTION, texts.LUMEN_FACTS[0][2])
    await _by_name(stage, jun, incident)
    await _by_header(cast, harborline, lumen)


async def mistakes(cast: Cast, harborline: str, lumen: str) -> None:
    """Requests that are refused, each with what to do about it."""
    stage = cast.stage
    stage.act("16:30  Mistakes are answered precisely")
    mira = await cast.join(harborline, texts.MIRA)
    wrong = pb.Memory(layer=pb.LAYER_SESSION, scope=Scope(user_id=texts.MIRA), content="A turn.")
    call = mira.memory.CreateMemory(pb.CreateMemoryRequest(memory=wrong))
    await stage.refused("a session memory without its session", call, "INVALID_REQUEST")
    call = mira.memory.CreateMemory(pb.CreateMemoryRequest(memory=wrong, request_id="twelve"))
    error = await stage.refused("a request id that is no UUID", call, "INVALID_REQUEST")
    stage.check("the field that is named", error.violations[0].field, "request_id")
    await _without_role(cast, harborline)
    await _suspended(cast, lumen)


async def _nothing(stage: Stage, jun: Session) -> None:
    for question, _ in texts.QUESTIONS:
        found = await jun.memory.SearchMemories(pb.SearchMemoriesRequest(query=question))
        stage.check(f"what a new tenant finds for {question!r}", list(found.results), [])
        stage.counts["searches that rightly found nothing"] += 1
    stage.done(f"{len(texts.QUESTIONS)} searches, 0 results")


async def _keep_all(jun: Session) -> list[pb.Memory]:
    requests = [
        pb.CreateMemoryRequest(memory=pb.Memory(layer=layer, scope=Scope(**ids), content=text))
        for layer, ids, text in texts.LUMEN_FACTS
    ]
    answer = await jun.memory.BatchCreateMemories(pb.BatchCreateMemoriesRequest(requests=requests))
    return list(answer.memories)


async def _only_own(stage: Stage, jun: Session, own: list[pb.Memory]) -> None:
    names = {memory.name for memory in own}
    for question, _ in texts.QUESTIONS:
        request = pb.SearchMemoriesRequest(query=question, limit=100)
        found = {each.memory.name for each in (await jun.memory.SearchMemories(request)).results}
        stage.check(f"foreign results for {question!r}", found - names, set())
    stage.done("the same questions again find its own memories only")


async def _by_name(stage: Stage, jun: Session, incident: Incident) -> None:
    name = incident.facts[texts.FREEZE].name
    call = jun.memory.GetMemory(pb.GetMemoryRequest(name=name))
    await stage.refused("Jun reads Harborline's memory by its name", call, "MEMORY_NOT_FOUND")


async def _by_header(cast: Cast, harborline: str, lumen: str) -> None:
    disguised = await cast.join(lumen, texts.JUN, act_for=harborline)
    call = disguised.memory.ListMemories(pb.ListMemoriesRequest())
    await cast.stage.refused("Jun's token names Harborline as tenant", call, "FOREIGN_TENANT")


async def _without_role(cast: Cast, harborline: str) -> None:
    guest = await cast.join(harborline, "auditor.external", [Role.VIEWER])
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="All invoices are paid.")
    call = guest.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory))
    await cast.stage.refused("a viewer writes", call, "PERMISSION_DENIED")


async def _suspended(cast: Cast, lumen: str) -> None:
    """A suspended tenant takes nothing; afterwards everything is still there."""
    admin = await cast.join("platform", "platform-operations", [Role(PLATFORM_ADMIN)])
    noor = await cast.join(lumen, texts.NOOR, [Role.TENANT_ADMIN])
    name = f"tenants/{lumen}"
    await admin.tenants.SuspendTenant(tenants_pb2.SuspendTenantRequest(name=name))
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="The studio is closed in August.")
    call = noor.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory))
    await cast.stage.refused("Noor writes while the studio is suspended", call, "TENANT_SUSPENDED")
    await admin.tenants.ResumeTenant(tenants_pb2.ResumeTenantRequest(name=name))
    listed = await noor.memory.ListMemories(pb.ListMemoriesRequest())
    cast.stage.check("memories after resuming", len(listed.memories), len(texts.LUMEN_FACTS))
    cast.stage.done("resumed: everything is still there", "tenants suspended and resumed")
