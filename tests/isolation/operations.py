"""Every RPC of the four services as an operation of a tenant, on its own things and on others'."""

import random
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from aeterna.governance.v1 import (
    access_pb2,
    agents_pb2,
    alerts_pb2,
    anomalies_pb2,
    audit_pb2,
    budgets_pb2,
    consent_pb2,
    costs_pb2,
    erasure_pb2,
    export_pb2,
    keys_pb2,
    roles_pb2,
    tenants_pb2,
)
from aeterna.governance.v1 import approvals_pb2 as ab
from aeterna.governance.v1 import authorization_policies_pb2 as policies_pb2
from aeterna.governance.v1 import constraints_pb2 as cb
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from aeterna.memory.v1 import maintenance_pb2, settings_pb2
from aeterna.memory.v1 import memory_pb2 as mb
from aeterna.sync.v1 import documents_pb2 as db
from aeterna.sync.v1 import live_pb2, sync_pb2
from libs.service.admission import TENANT_HEADER
from tests.isolation.world import IDS, REFUSED_IDS, Leak, Tenant, World, must_fail, ok

Operation = Callable[[World, random.Random, Tenant], Coroutine[Any, Any, None]]


_STATUSES: Any = range(1, 7)


def _value(rng: random.Random, first: int, last: int) -> Any:
    """Any value of an enum of the contract."""
    return rng.randint(first, last)


def _memory(rng: random.Random, tenant: Tenant) -> mb.Memory:
    memory = mb.Memory(
        layer=_value(rng, 1, 7), scope=tenant.ids(rng), content=tenant.text(rng), importance=0.5
    )
    memory.metadata.update({"note": tenant.text(rng)})
    return memory


def _request_id(rng: random.Random, world: World, tenant: Tenant) -> str:
    """Mostly new; sometimes one that another tenant used. Never one of its own: the same seed may
    make the same request again, and a repeat changes nothing."""
    used = [each for other in world.others(tenant) for each in other.requests]
    stolen = [each for each in used if each not in tenant.requests]
    chosen = rng.choice(stolen) if stolen and rng.random() < 0.2 else str(uuid4())
    tenant.requests.append(chosen)
    return chosen


def _own(rng: random.Random, names: set[str], collection: str) -> str:
    return rng.choice(sorted(names)) if names else f"{collection}/{uuid4()}"


def _foreign(rng: random.Random, world: World, tenant: Tenant, kind: str) -> str | None:
    names = sorted(name for other in world.others(tenant) for name in getattr(other, kind))
    return rng.choice(names) if names else None


async def create_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.CreateMemoryRequest(
        memory=_memory(rng, tenant), request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.memory.CreateMemory, request)
    if ok(answer):
        tenant.memories.add(answer.name)
        tenant.changes += 1


async def batch_create(world: World, rng: random.Random, tenant: Tenant) -> None:
    requests = [
        mb.CreateMemoryRequest(memory=_memory(rng, tenant)) for _ in range(rng.randint(1, 4))
    ]
    request = mb.BatchCreateMemoriesRequest(
        requests=requests, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.memory.BatchCreateMemories, request)
    if ok(answer):
        tenant.memories.update(memory.name for memory in answer.memories)
        tenant.changes += len(answer.memories)


async def stream_create(world: World, rng: random.Random, tenant: Tenant) -> None:
    requests = [
        mb.CreateMemoryRequest(memory=_memory(rng, tenant)) for _ in range(rng.randint(1, 4))
    ]
    world.operations += 1
    call = world.suite.memory.StreamCreateMemories(iter(requests), metadata=tenant.author)
    async for answer in call:
        world.inspect(tenant, requests[answer.index], answer.SerializeToString())
        tenant.memories.add(answer.memory.name)
        tenant.changes += 1


async def refused_ids(world: World, rng: random.Random, tenant: Tenant) -> None:
    memory = _memory(rng, tenant)
    memory.scope.user_id = rng.choice(REFUSED_IDS)
    request = mb.CreateMemoryRequest(memory=memory)
    must_fail(await world.call(tenant, world.suite.memory.CreateMemory, request))


async def get_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.GetMemoryRequest(name=_own(rng, tenant.memories, "memories"))
    await world.call(tenant, world.suite.memory.GetMemory, request)


async def foreign_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "memories")
    if name is None:
        return
    memory = mb.Memory(name=name, content=tenant.text(rng))
    stub = world.suite.memory
    calls: list[tuple[Any, Any]] = [
        (stub.GetMemory, mb.GetMemoryRequest(name=name)),
        (stub.UpdateMemory, mb.UpdateMemoryRequest(memory=memory)),
        (stub.DeleteMemory, mb.DeleteMemoryRequest(name=name)),
        (stub.SupersedeMemory, mb.SupersedeMemoryRequest(name=name, memory=memory)),
        (stub.FeedbackMemory, mb.FeedbackMemoryRequest(name=name, feedback=mb.FEEDBACK_HELPFUL)),
        (stub.PromoteMemory, mb.PromoteMemoryRequest(name=name, layer=mb.LAYER_COMPANY)),
        (stub.ListMemoryRevisions, mb.ListMemoryRevisionsRequest(name=name)),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls)))


async def list_memories(world: World, rng: random.Random, tenant: Tenant) -> None:
    stolen = [token for other in world.others(tenant) for token in other.tokens]
    token = rng.choice(stolen) if stolen and rng.random() < 0.3 else ""
    quoted = rng.choice(IDS).replace("\\", "\\\\").replace('"', '\\"')
    request = mb.ListMemoriesRequest(
        page_size=rng.randint(1, 20),
        page_token=token,
        filter=rng.choice(["", f'user_id = "{quoted}"', 'layer = "company"']),
    )
    answer = await world.call(tenant, world.suite.memory.ListMemories, request)
    if ok(answer) and answer.next_page_token:
        tenant.tokens.append(answer.next_page_token)


async def update_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    memory = mb.Memory(name=_own(rng, tenant.memories, "memories"), content=tenant.text(rng))
    request = mb.UpdateMemoryRequest(memory=memory, request_id=_request_id(rng, world, tenant))
    answer = await world.call(tenant, world.suite.memory.UpdateMemory, request)
    tenant.changes += ok(answer)


async def delete_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _own(rng, tenant.memories, "memories")
    answer = await world.call(
        tenant, world.suite.memory.DeleteMemory, mb.DeleteMemoryRequest(name=name)
    )
    if ok(answer):
        tenant.memories.discard(name)
        tenant.changes += 1


async def supersede_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.SupersedeMemoryRequest(
        name=_own(rng, tenant.memories, "memories"),
        memory=mb.Memory(content=tenant.text(rng), source=tenant.text(rng)),
        request_id=_request_id(rng, world, tenant),
    )
    answer = await world.call(tenant, world.suite.memory.SupersedeMemory, request)
    if ok(answer):
        tenant.memories.add(answer.name)
        tenant.changes += 2


async def rate_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.FeedbackMemoryRequest(
        name=_own(rng, tenant.memories, "memories"), feedback=_value(rng, 1, 5)
    )
    tenant.changes += ok(await world.call(tenant, world.suite.memory.FeedbackMemory, request))


async def promote_memory(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.PromoteMemoryRequest(
        name=_own(rng, tenant.memories, "memories"), layer=_value(rng, 1, 7), scope=tenant.ids(rng)
    )
    tenant.changes += ok(await world.call(tenant, world.suite.memory.PromoteMemory, request))


async def search_memories(world: World, rng: random.Random, tenant: Tenant) -> None:
    # The words of another tenant, canary and all.
    query = rng.choice(world.tenants).text(rng)
    scope: Any = tenant.ids(rng) if rng.random() < 0.5 else {}
    strategy = _value(rng, 0, 4)
    request = mb.SearchMemoriesRequest(
        query=query, scope=scope, limit=rng.randint(1, 100), strategy=strategy
    )
    await world.call(tenant, world.suite.memory.SearchMemories, request)


async def memory_settings(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, strategy = world.suite.memory_settings, _value(rng, 1, 3)
    if rng.random() < 0.5:
        request = settings_pb2.GetMemorySettingsRequest(name="memorySettings")
        answer = await world.call(tenant, stub.GetMemorySettings, request)
    else:
        settings = settings_pb2.MemorySettings(
            name="memorySettings", default_search_strategy=strategy
        )
        change = settings_pb2.UpdateMemorySettingsRequest(
            memory_settings=settings, request_id=_request_id(rng, world, tenant)
        )
        tenant.settings += 1
        answer = await world.call(tenant, stub.UpdateMemorySettings, change)
        tenant.changes += ok(answer)
    if ok(answer) and answer.version > tenant.settings + 1:
        raise Leak(f"{tenant.name} has settings that somebody else changed")


async def invalidate_embeddings(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.InvalidateEmbeddingsRequest(user_id=tenant.ids(rng)["user_id"])
    answer = await world.call(tenant, world.suite.memory.InvalidateEmbeddings, request)
    tenant.changes += ok(answer)


async def reindex(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = maintenance_pb2.ReindexMemoriesRequest(request_id=_request_id(rng, world, tenant))
    answer = await world.call(tenant, world.suite.memory_maintenance.ReindexMemories, request)
    if ok(answer):
        tenant.operations.add(answer.name)
        tenant.changes += 1


async def upkeep(world: World, rng: random.Random, tenant: Tenant) -> None:
    """Moves nothing: all is new and matters. What is untrue would go, so it is only counted."""
    stub, request_id = world.suite.memory_maintenance, _request_id(rng, world, tenant)
    prune = maintenance_pb2.PruneMemoriesRequest(request_id=request_id, validate_only=True)
    prune.archived_for.SetInParent()
    prune.invalid_for.SetInParent()
    calls: list[tuple[Any, Any]] = [
        (
            stub.OptimizeMemories,
            maintenance_pb2.OptimizeMemoriesRequest(request_id=request_id),
        ),
        (stub.PruneMemories, prune),
    ]
    answer = await world.call(tenant, *rng.choice(calls))
    if ok(answer):
        tenant.operations.add(answer.name)
        tenant.changes += 1


async def read_operations(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, name = world.suite.operations, _own(rng, tenant.operations, "operations")
    calls: list[tuple[Any, Any]] = [
        (stub.ListOperations, operations_pb2.ListOperationsRequest(name="operations")),
        (stub.GetOperation, operations_pb2.GetOperationRequest(name=name)),
        (
            stub.WaitOperation,
            operations_pb2.WaitOperationRequest(name=name, timeout=Duration(nanos=10)),
        ),
        (stub.CancelOperation, operations_pb2.CancelOperationRequest(name=name)),
        (stub.DeleteOperation, operations_pb2.DeleteOperationRequest(name=name)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def foreign_operation(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "operations")
    if name is None:
        return
    stub = world.suite.operations
    calls: list[tuple[Any, Any]] = [
        (stub.GetOperation, operations_pb2.GetOperationRequest(name=name)),
        (stub.WaitOperation, operations_pb2.WaitOperationRequest(name=name)),
        (stub.CancelOperation, operations_pb2.CancelOperationRequest(name=name)),
        (stub.DeleteOperation, operations_pb2.DeleteOperationRequest(name=name)),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls)))


async def memory_history(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = mb.ListMemoryRevisionsRequest(name=_own(rng, tenant.memories, "memories"))
    await world.call(tenant, world.suite.memory.ListMemoryRevisions, request)


async def create_item(world: World, rng: random.Random, tenant: Tenant) -> None:
    item = kb.KnowledgeItem(
        kind=_value(rng, 1, 5),
        layer=_value(rng, 1, 4),
        scope=tenant.ids(rng),
        title=tenant.text(rng),
        content=tenant.text(rng),
    )
    request = kb.CreateKnowledgeItemRequest(
        knowledge_item=item, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.knowledge.CreateKnowledgeItem, request)
    if ok(answer):
        tenant.items.add(answer.name)
        tenant.changes += 1


async def move_item(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _own(rng, tenant.items, "knowledgeItems")
    method, request = _item_call(world, rng, tenant, name)
    # Accepting an item may supersede others, so the exact number of changes is read, not modelled.
    answer = await world.call(tenant, method, request, tenant.reviewer)
    if ok(answer) and answer.change_number:
        tenant.changes = max(tenant.changes + 1, tenant.changes)


def _item_call(world: World, rng: random.Random, tenant: Tenant, name: str) -> tuple[Any, Any]:
    stub, item = world.suite.knowledge, kb.KnowledgeItem(name=name, title=tenant.text(rng))
    calls: list[tuple[Any, Any]] = [
        (stub.UpdateKnowledgeItem, kb.UpdateKnowledgeItemRequest(knowledge_item=item)),
        (stub.ProposeKnowledgeItem, kb.ProposeKnowledgeItemRequest(name=name)),
        (stub.AcceptKnowledgeItem, kb.AcceptKnowledgeItemRequest(name=name)),
        (stub.RejectKnowledgeItem, kb.RejectKnowledgeItemRequest(name=name)),
        (stub.DeprecateKnowledgeItem, kb.DeprecateKnowledgeItemRequest(name=name)),
    ]
    return rng.choice(calls)


async def foreign_item(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "items")
    if name is None:
        return
    stub = world.suite.knowledge
    relation = kb.Relation(
        source=_own(rng, tenant.items, "knowledgeItems"), target=name, kind=_value(rng, 1, 5)
    )
    calls: list[tuple[Any, Any]] = [
        _item_call(world, rng, tenant, name),
        (stub.GetKnowledgeItem, kb.GetKnowledgeItemRequest(name=name)),
        (stub.ListKnowledgeItemRevisions, kb.ListKnowledgeItemRevisionsRequest(name=name)),
        (stub.ListRelations, kb.ListRelationsRequest(knowledge_item=name)),
        (stub.CreateRelation, kb.CreateRelationRequest(relation=relation)),
    ]
    method, request = rng.choice(calls)
    must_fail(await world.call(tenant, method, request, tenant.reviewer))


async def read_items(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, name = world.suite.knowledge, _own(rng, tenant.items, "knowledgeItems")
    query = rng.choice(world.tenants).text(rng)
    calls: list[tuple[Any, Any]] = [
        (stub.GetKnowledgeItem, kb.GetKnowledgeItemRequest(name=name)),
        (stub.ListKnowledgeItems, kb.ListKnowledgeItemsRequest(page_size=20)),
        (stub.ListKnowledgeItemRevisions, kb.ListKnowledgeItemRevisionsRequest(name=name)),
        (stub.ListRelations, kb.ListRelationsRequest(knowledge_item=name)),
        (
            stub.SearchKnowledgeItems,
            kb.SearchKnowledgeItemsRequest(query=query, statuses=_STATUSES, limit=100),
        ),
    ]
    await world.call(tenant, *rng.choice(calls))


async def relate(world: World, rng: random.Random, tenant: Tenant) -> None:
    relation = kb.Relation(
        source=_own(rng, tenant.items, "knowledgeItems"),
        target=_own(rng, tenant.items, "knowledgeItems"),
        kind=_value(rng, 2, 5),
    )
    request = kb.CreateRelationRequest(relation=relation)
    answer = await world.call(tenant, world.suite.knowledge.CreateRelation, request)
    if ok(answer):
        tenant.relations.add(answer.name)
        tenant.changes += 1


async def unrelate(world: World, rng: random.Random, tenant: Tenant) -> None:
    foreign = _foreign(rng, world, tenant, "relations")
    delete = world.suite.knowledge.DeleteRelation
    if foreign and rng.random() < 0.5:
        must_fail(await world.call(tenant, delete, kb.DeleteRelationRequest(name=foreign)))
        return
    name = _own(rng, tenant.relations, "relations")
    if ok(await world.call(tenant, delete, kb.DeleteRelationRequest(name=name))):
        tenant.relations.discard(name)
        tenant.changes += 1


async def create_policy(world: World, rng: random.Random, tenant: Tenant) -> None:
    rule = cb.Rule(
        id="r",
        operator=_value(rng, 1, 6),
        target=cb.RULE_TARGET_IMPORT,
        pattern=tenant.canary,
        severity=_value(rng, 1, 3),
        pattern_kind=cb.PATTERN_KIND_EXACT,
        message=tenant.text(rng),
    )
    policy = cb.ConstraintPolicy(
        key=f"k{rng.randint(0, 99)}",
        title=tenant.text(rng),
        layer=cb.POLICY_LAYER_COMPANY,
        rules=[rule],
    )
    request = cb.CreateConstraintPolicyRequest(
        constraint_policy=policy, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.constraints.CreateConstraintPolicy, request)
    if ok(answer):
        tenant.policies.add(answer.name)
        tenant.changes += 1


async def read_policies(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, name = world.suite.constraints, _own(rng, tenant.policies, "constraintPolicies")
    changes = cb.ChangeSet(imports=[cb.Import(module=tenant.canary)])
    calls: list[tuple[Any, Any]] = [
        (stub.GetConstraintPolicy, cb.GetConstraintPolicyRequest(name=name)),
        (stub.ListConstraintPolicies, cb.ListConstraintPoliciesRequest()),
        (stub.ResolveConstraints, cb.ResolveConstraintsRequest()),
        (stub.ListConstraintConflicts, cb.ListConstraintConflictsRequest()),
        (stub.ListDriftReports, cb.ListDriftReportsRequest()),
        (stub.ListDriftSuppressions, cb.ListDriftSuppressionsRequest()),
        (stub.CheckConstraints, cb.CheckConstraintsRequest(change_set=changes)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def foreign_policy(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "policies")
    if name is None:
        return
    stub = world.suite.constraints
    update = cb.UpdateConstraintPolicyRequest(
        constraint_policy=cb.ConstraintPolicy(name=name, title="x")
    )
    calls: list[tuple[Any, Any]] = [
        (stub.GetConstraintPolicy, cb.GetConstraintPolicyRequest(name=name)),
        (stub.UpdateConstraintPolicy, update),
        (stub.DeleteConstraintPolicy, cb.DeleteConstraintPolicyRequest(name=name)),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls), tenant.reviewer))


async def ask_approval(world: World, rng: random.Random, tenant: Tenant) -> None:
    asked = ab.ApprovalRequest(
        kind=ab.APPROVAL_KIND_CONFIG,
        target=f"things/{uuid4()}",
        title=tenant.text(rng),
        description=tenant.text(rng),
    )
    request = ab.CreateApprovalRequestRequest(
        approval_request=asked, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.approvals.CreateApprovalRequest, request)
    if ok(answer):
        tenant.approvals.add(answer.name)
        tenant.changes += 1


async def read_approvals(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, name = world.suite.approvals, _own(rng, tenant.approvals, "approvalRequests")
    calls: list[tuple[Any, Any]] = [
        (stub.GetApprovalRequest, ab.GetApprovalRequestRequest(name=name)),
        (stub.ListApprovalRequests, ab.ListApprovalRequestsRequest()),
        (stub.ListApprovalDelegations, ab.ListApprovalDelegationsRequest()),
        (stub.ListApprovalConfigs, ab.ListApprovalConfigsRequest()),
        (stub.GetApprovalConfig, ab.GetApprovalConfigRequest()),
    ]
    await world.call(tenant, *rng.choice(calls))


async def foreign_approval(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "approvals")
    if name is None:
        return
    stub = world.suite.approvals
    calls: list[tuple[Any, Any]] = [
        (stub.GetApprovalRequest, ab.GetApprovalRequestRequest(name=name)),
        (stub.ApproveApprovalRequest, ab.ApproveApprovalRequestRequest(name=name)),
        (stub.RejectApprovalRequest, ab.RejectApprovalRequestRequest(name=name, comment="x")),
        (stub.WithdrawApprovalRequest, ab.WithdrawApprovalRequestRequest(name=name)),
        (stub.ApplyApprovalRequest, ab.ApplyApprovalRequestRequest(name=name)),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls), tenant.reviewer))


async def record_event(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = audit_pb2.RecordAuditEventRequest(
        event="export.started",
        resource=f"exports/{tenant.canary}",
        subject=rng.choice(IDS),
        request_id=_request_id(rng, world, tenant),
    )
    tenant.changes += ok(await world.call(tenant, world.suite.audit.RecordAuditEvent, request))


async def rotate_keys(world: World, rng: random.Random, tenant: Tenant) -> None:
    """Of subjects that others have, too: the same ids are everybody's."""
    stub, request_id = world.suite.keys, _request_id(rng, world, tenant)
    calls: list[tuple[Any, Any]] = [
        (stub.RotateTenantKey, keys_pb2.RotateTenantKeyRequest(request_id=request_id)),
        (
            stub.RotateSubjectKey,
            keys_pb2.RotateSubjectKeyRequest(subject=rng.choice(IDS), request_id=request_id),
        ),
    ]
    tenant.changes += ok(await world.call(tenant, *rng.choice(calls)))


async def tend_keys(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, request_id = world.suite.keys, _request_id(rng, world, tenant)
    calls: list[tuple[Any, Any]] = [
        (stub.RotateSubjectKeys, keys_pb2.RotateSubjectKeysRequest(request_id=request_id)),
        (stub.RewrapTenantKeys, keys_pb2.RewrapTenantKeysRequest(request_id=request_id)),
        (stub.ReencryptFields, keys_pb2.ReencryptFieldsRequest(request_id=request_id)),
        (stub.RetireKeys, keys_pb2.RetireKeysRequest(request_id=request_id)),
    ]
    answer = await world.call(tenant, *rng.choice(calls))
    if ok(answer):
        tenant.operations.add(answer.name)
        tenant.changes += 1


async def read_keys(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub = world.suite.keys
    calls: list[tuple[Any, Any]] = [
        (stub.ListTenantKeys, keys_pb2.ListTenantKeysRequest()),
        (stub.ListSubjectKeys, keys_pb2.ListSubjectKeysRequest(page_size=50)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def consents(world: World, rng: random.Random, tenant: Tenant) -> None:
    """Each tenant's people have the same ids, and its own purposes."""
    stub, subject = world.suite.consents, f"{rng.choice(IDS)}{tenant.canary}"
    grant = consent_pb2.GrantConsentRequest(
        subject=subject, purpose="analytics", request_id=_request_id(rng, world, tenant)
    )
    if ok(await world.call(tenant, stub.GrantConsent, grant)):
        tenant.changes += 1
    await world.call(tenant, stub.ListConsents, consent_pb2.ListConsentsRequest())
    events = consent_pb2.ListConsentEventsRequest(subject=subject)
    await world.call(tenant, stub.ListConsentEvents, events)
    check = consent_pb2.CheckConsentRequest(subject=subject, purpose="analytics")
    await world.call(tenant, stub.CheckConsent, check)
    for other in world.others(tenant):
        asked = consent_pb2.ListConsentsRequest(subject=f"{rng.choice(IDS)}{other.canary}")
        answer = await world.call(tenant, stub.ListConsents, asked)
        if ok(answer) and answer.consents:
            raise Leak("ListConsents: consents of another tenant")


async def foreign_privacy(world: World, rng: random.Random, tenant: Tenant) -> None:
    """Erasures and exports are found by their own tenant alone."""
    erasures, exports = world.suite.erasures, world.suite.exports
    get = erasure_pb2.GetErasureRequest(name=f"erasures/{uuid4()}")
    must_fail(await world.call(tenant, erasures.GetErasure, get))
    await world.call(tenant, erasures.ListErasures, erasure_pb2.ListErasuresRequest())
    delete = export_pb2.DeleteSubjectExportRequest(name=f"subjectExports/{uuid4()}")
    must_fail(await world.call(tenant, exports.DeleteSubjectExport, delete))


async def read_audit(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub = world.suite.audit
    calls: list[tuple[Any, Any]] = [
        (stub.ListAuditEntries, audit_pb2.ListAuditEntriesRequest(page_size=50)),
        (stub.VerifyAuditTrail, audit_pb2.VerifyAuditTrailRequest()),
        (stub.ListAuditCheckpoints, audit_pb2.ListAuditCheckpointsRequest()),
        (stub.ListSigningKeys, audit_pb2.ListSigningKeysRequest()),
    ]
    await world.call(tenant, *rng.choice(calls))


async def copy_audit(world: World, rng: random.Random, tenant: Tenant) -> None:
    world.operations += 1
    request = audit_pb2.ExportAuditTrailRequest()
    call = world.suite.audit.ExportAuditTrail(request, metadata=tenant.reviewer, timeout=30)
    async for part in call:
        world.inspect(tenant, request, part.SerializeToString())


async def prune_audit(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = audit_pb2.PruneAuditTrailRequest(until=rng.randint(1, 50), hash=rng.randbytes(32))
    must_fail(await world.call(tenant, world.suite.audit.PruneAuditTrail, request))


async def read_anomalies(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, name = world.suite.anomalies, f"anomalies/{uuid4()}"
    calls: list[tuple[Any, Any]] = [
        (stub.ListAnomalies, anomalies_pb2.ListAnomaliesRequest(page_size=50)),
        (stub.ListAnomalyDetectors, anomalies_pb2.ListAnomalyDetectorsRequest()),
    ]
    await world.call(tenant, *rng.choice(calls))
    must_fail(await world.call(tenant, stub.GetAnomaly, anomalies_pb2.GetAnomalyRequest(name=name)))
    request = anomalies_pb2.ExplainAnomalyRequest(name=name)
    must_fail(await world.call(tenant, stub.ExplainAnomaly, request))


async def configure_anomalies(world: World, rng: random.Random, tenant: Tenant) -> None:
    detector = anomalies_pb2.AnomalyDetector(name="anomalyDetectors/volume", muted=True)
    request = anomalies_pb2.UpdateAnomalyDetectorRequest(
        anomaly_detector=detector, request_id=_request_id(rng, world, tenant)
    )
    update = world.suite.anomalies.UpdateAnomalyDetector
    tenant.changes += ok(await world.call(tenant, update, request))


async def give_role(world: World, rng: random.Random, tenant: Tenant) -> None:
    scope = roles_pb2.RoleScope(org_id=rng.choice(IDS), team_id=rng.choice(IDS))
    binding = roles_pb2.RoleBinding(user=tenant.canary, role=_value(rng, 1, 6), scope=scope)
    request = roles_pb2.AssignRoleRequest(
        role_binding=binding, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.roles.AssignRole, request)
    if ok(answer):
        tenant.bindings.add(answer.name)
        tenant.changes += 1


async def take_role(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, foreign = world.suite.roles, _foreign(rng, world, tenant, "bindings")
    if foreign and rng.random() < 0.5:
        calls: list[tuple[Any, Any]] = [
            (stub.RevokeRole, roles_pb2.RevokeRoleRequest(name=foreign)),
            (stub.GetRoleBinding, roles_pb2.GetRoleBindingRequest(name=foreign)),
        ]
        must_fail(await world.call(tenant, *rng.choice(calls)))
        return
    name = _own(rng, tenant.bindings, "roleBindings")
    if ok(await world.call(tenant, stub.RevokeRole, roles_pb2.RevokeRoleRequest(name=name))):
        tenant.bindings.discard(name)
        tenant.changes += 1


async def suspend_somebody(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, user = world.suite.roles, f"{tenant.canary} {rng.choice(IDS)}"
    calls: list[tuple[Any, Any]] = [
        (stub.SuspendUser, roles_pb2.SuspendUserRequest(user=user)),
        (stub.ResumeUser, roles_pb2.ResumeUserRequest(user=user)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def keep_agent(world: World, rng: random.Random, tenant: Tenant) -> None:
    """All tenants have agents of the same names, with owners of their own."""
    stub, agent = world.suite.agents, f"agent-{rng.randint(1, 9)}"
    owned = agents_pb2.Agent(owner=tenant.canary, capabilities=["memory:read"])
    named = agents_pb2.Agent(name=f"agents/{agent}", capabilities=["org:read"])
    calls: list[tuple[Any, Any]] = [
        (stub.RegisterAgent, agents_pb2.RegisterAgentRequest(agent_id=agent, agent=owned)),
        (stub.UpdateAgent, agents_pb2.UpdateAgentRequest(agent=named)),
        (stub.SuspendAgent, agents_pb2.SuspendAgentRequest(name=named.name)),
        (stub.ResumeAgent, agents_pb2.ResumeAgentRequest(name=named.name)),
        (stub.RevokeAgent, agents_pb2.RevokeAgentRequest(name=named.name)),
        (stub.GetAgent, agents_pb2.GetAgentRequest(name=named.name)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def write_policy(world: World, rng: random.Random, tenant: Tenant) -> None:
    policy = policies_pb2.AuthorizationPolicy(
        text=f'forbid (principal == Aeterna::User::"{tenant.canary}", action, resource);',
        description=tenant.text(rng),
    )
    request = policies_pb2.CreateAuthorizationPolicyRequest(
        authorization_policy_id=f"p{uuid4().hex}",
        authorization_policy=policy,
        request_id=_request_id(rng, world, tenant),
    )
    stub = world.suite.authorization_policies
    answer = await world.call(tenant, stub.CreateAuthorizationPolicy, request)
    if ok(answer):
        tenant.cedar_policies.add(answer.name)
        tenant.changes += 1


def _policy_calls(world: World, name: str) -> list[tuple[Any, Any]]:
    stub, trial = world.suite.authorization_policies, policies_pb2.PolicyTrial(name=name, version=1)
    return [
        (
            stub.ActivateAuthorizationPolicy,
            policies_pb2.ActivateAuthorizationPolicyRequest(name=name),
        ),
        (
            stub.DeactivateAuthorizationPolicy,
            policies_pb2.DeactivateAuthorizationPolicyRequest(name=name),
        ),
        (
            stub.RollbackAuthorizationPolicy,
            policies_pb2.RollbackAuthorizationPolicyRequest(name=name),
        ),
        (stub.GetAuthorizationPolicy, policies_pb2.GetAuthorizationPolicyRequest(name=name)),
        (
            stub.ListAuthorizationPolicyVersions,
            policies_pb2.ListAuthorizationPolicyVersionsRequest(name=name),
        ),
        (
            stub.SimulateAuthorizationPolicies,
            policies_pb2.SimulateAuthorizationPoliciesRequest(trials=[trial]),
        ),
    ]


async def use_policy(world: World, rng: random.Random, tenant: Tenant) -> None:
    foreign = _foreign(rng, world, tenant, "cedar_policies")
    if foreign and rng.random() < 0.5:
        must_fail(await world.call(tenant, *rng.choice(_policy_calls(world, foreign))))
        return
    name = _own(rng, tenant.cedar_policies, "authorizationPolicies")
    await world.call(tenant, *rng.choice(_policy_calls(world, name)))


async def read_access(world: World, rng: random.Random, tenant: Tenant) -> None:
    suite, bob = world.suite, access_pb2.AccessPrincipal(user=rng.choice(IDS), roles=["viewer"])
    check = access_pb2.CheckAccessRequest(principal=bob, action="CreateMemory")
    calls: list[tuple[Any, Any]] = [
        (suite.roles.ListRoleBindings, roles_pb2.ListRoleBindingsRequest()),
        (suite.roles.ListSuspendedUsers, roles_pb2.ListSuspendedUsersRequest()),
        (suite.agents.ListAgents, agents_pb2.ListAgentsRequest()),
        (
            suite.authorization_policies.ListAuthorizationPolicies,
            policies_pb2.ListAuthorizationPoliciesRequest(),
        ),
        (suite.access.CheckAccess, check),
        (suite.access.BatchCheckAccess, access_pb2.BatchCheckAccessRequest(requests=[check])),
    ]
    await world.call(tenant, *rng.choice(calls))


async def budgets(world: World, rng: random.Random, tenant: Tenant) -> None:
    """All tenants use the same labels; whom a budget is for tells whose it is."""
    stub, label = world.suite.budgets, f"b{rng.randint(0, 3)}"
    budget = budgets_pb2.Budget(
        name=f"budgets/{label}",
        org_id=tenant.canary,
        limit=Money(currency_code="USD", units=rng.randint(1, 100)),
    )
    calls: list[tuple[Any, Any]] = [
        (stub.CreateBudget, budgets_pb2.CreateBudgetRequest(budget_id=label, budget=budget)),
        (stub.GetBudget, budgets_pb2.GetBudgetRequest(name=budget.name)),
        (stub.ListBudgets, budgets_pb2.ListBudgetsRequest()),
        (stub.UpdateBudget, budgets_pb2.UpdateBudgetRequest(budget=budget)),
        (stub.DeleteBudget, budgets_pb2.DeleteBudgetRequest(name=budget.name)),
    ]
    await world.call(tenant, *rng.choice(calls))


async def reservations(world: World, rng: random.Random, tenant: Tenant) -> None:
    amount = Money(currency_code="USD", nanos=rng.randint(1, 1000))
    request = budgets_pb2.ReserveBudgetRequest(amount=amount, org_id=tenant.canary)
    answer = await world.call(tenant, world.suite.budgets.ReserveBudget, request)
    if ok(answer):
        tenant.reservations.add(answer.name)
        settle = budgets_pb2.SettleReservationRequest(name=answer.name, amount=amount)
        if rng.random() < 0.5:
            await world.call(tenant, world.suite.budgets.SettleReservation, settle)


async def foreign_reservation(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "reservations")
    if name is None:
        return
    stub, amount = world.suite.budgets, Money(currency_code="USD", nanos=1)
    calls: list[tuple[Any, Any]] = [
        (
            stub.SettleReservation,
            budgets_pb2.SettleReservationRequest(name=name, amount=amount),
        ),
        (stub.ReleaseReservation, budgets_pb2.ReleaseReservationRequest(name=name)),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls)))


async def read_costs(world: World, rng: random.Random, tenant: Tenant) -> None:
    stub, dimension = world.suite.costs, _value(rng, 1, 6)
    calls: list[tuple[Any, Any]] = [
        (stub.QueryCosts, costs_pb2.QueryCostsRequest(group_by=[dimension])),
        (stub.ListTopConsumers, costs_pb2.ListTopConsumersRequest(dimension=dimension)),
        (stub.ForecastCosts, costs_pb2.ForecastCostsRequest()),
        (stub.ListPrices, costs_pb2.ListPricesRequest()),
    ]
    await world.call(tenant, *rng.choice(calls))


async def webhooks(world: World, rng: random.Random, tenant: Tenant) -> None:
    """Of a kind that nothing is of: nothing is sent anywhere."""
    stub, label = world.suite.alerts, f"w{rng.randint(0, 3)}"
    webhook = alerts_pb2.Webhook(
        name=f"webhooks/{label}", url=f"https://example.com/{tenant.canary}", kinds=["nothing"]
    )
    calls: list[tuple[Any, Any]] = [
        (stub.CreateWebhook, alerts_pb2.CreateWebhookRequest(webhook_id=label, webhook=webhook)),
        (stub.GetWebhook, alerts_pb2.GetWebhookRequest(name=webhook.name)),
        (stub.ListWebhooks, alerts_pb2.ListWebhooksRequest()),
        (stub.UpdateWebhook, alerts_pb2.UpdateWebhookRequest(webhook=webhook)),
        (stub.DeleteWebhook, alerts_pb2.DeleteWebhookRequest(name=webhook.name)),
        (stub.ListAlerts, alerts_pb2.ListAlertsRequest()),
        (stub.ListWebhookDeliveries, alerts_pb2.ListWebhookDeliveriesRequest()),
    ]
    await world.call(tenant, *rng.choice(calls))


async def read_changes(world: World, rng: random.Random, tenant: Tenant) -> None:
    request = sync_pb2.ListChangesRequest(since=rng.randint(0, 50), page_size=100)
    await world.call(tenant, world.suite.sync.ListChanges, request)


async def subscribe(world: World, rng: random.Random, tenant: Tenant) -> None:
    world.operations += 1
    request = sync_pb2.SubscribeRequest(since=0)
    call = world.suite.sync.Subscribe(request, metadata=tenant.author, timeout=30)
    # The log holds at least so many changes, so that this never waits for more.
    wanted, seen = rng.randint(1, min(10, tenant.changes)), 0
    while seen < wanted:
        event: Any = await call.read()
        world.inspect(tenant, request, event.SerializeToString())
        seen += event.HasField("change")
    call.cancel()


async def live(world: World, rng: random.Random, tenant: Tenant) -> None:
    """A room of everything, and one of something of another tenant: nothing of it is heard."""
    world.operations += 1
    foreign = rng.choice([*rng.choice(world.others(tenant)).memories, "memories/0"])
    rooms = {"changes": True, "memories": True, foreign: False, "documents/0": False}
    call = world.suite.live.Connect(metadata=tenant.author, timeout=30)
    for room in rooms:
        asked = live_pb2.ConnectRequest.Subscribe(room=room, since=0)
        await call.write(live_pb2.ConnectRequest(id=room, subscribe=asked))
    answered: set[str] = set()
    while len(answered) < len(rooms):
        message: Any = await call.read()
        named = live_pb2.ConnectRequest.Subscribe(room=foreign)  # what we said ourselves
        world.inspect(tenant, named, message.SerializeToString())
        answered |= {message.reply_to} - {""}
    call.cancel()


async def presence(world: World, rng: random.Random, tenant: Tenant) -> None:
    """A room that another tenant has one of the same name of, with somebody of its own in it."""
    room, calls = rng.choice(["changes", "memories", "documents/0"]), []
    for each in (rng.choice(world.others(tenant)), tenant):
        world.operations += 1
        call: Any = world.suite.live.Connect(metadata=each.author, timeout=30)
        calls.append(call)
        asked = live_pb2.ConnectRequest.Subscribe(room=room, presence=True, device=each.canary)
        await call.write(live_pb2.ConnectRequest(id="1", subscribe=asked))
        told = False
        while not told:
            message = await call.read()
            world.inspect(each, asked, message.SerializeToString())
            told = message.HasField("presence") or message.HasField("error")
    request = live_pb2.ListPresenceRequest(room=room)
    answer = await world.call(tenant, world.suite.live.ListPresence, request)
    if ok(answer) and any(each.device != tenant.canary for each in answer.present):
        raise Leak(f"{tenant.name} sees somebody else's device")
    for call in calls:
        call.cancel()


async def administer(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = f"tenants/{rng.choice(world.others(tenant)).name}"
    stub = world.suite.tenants
    calls: list[tuple[Any, Any]] = [
        (stub.CreateTenant, tenants_pb2.CreateTenantRequest(tenant_id=f"x{uuid4().hex[:8]}")),
        (stub.GetTenant, tenants_pb2.GetTenantRequest(name=name)),
        (stub.ListTenants, tenants_pb2.ListTenantsRequest()),
        (stub.SuspendTenant, tenants_pb2.SuspendTenantRequest(name=name)),
        (stub.ResumeTenant, tenants_pb2.ResumeTenantRequest(name=name)),
    ]
    kms = world.suite.kms
    calls += [
        (kms.GetKmsKey, keys_pb2.GetKmsKeyRequest()),
        (kms.ListKmsKeys, keys_pb2.ListKmsKeysRequest()),
        (kms.RotateKmsKey, keys_pb2.RotateKmsKeyRequest()),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls)))
    await world.call(
        tenant, stub.GetTenant, tenants_pb2.GetTenantRequest(name=f"tenants/{tenant.name}")
    )


async def impersonate(world: World, rng: random.Random, tenant: Tenant) -> None:
    metadata = (*tenant.author, (TENANT_HEADER, rng.choice(world.others(tenant)).name))
    calls: list[tuple[Any, Any]] = [
        (world.suite.memory.ListMemories, mb.ListMemoriesRequest()),
        (world.suite.knowledge.ListKnowledgeItems, kb.ListKnowledgeItemsRequest()),
        (world.suite.audit.ListAuditEntries, audit_pb2.ListAuditEntriesRequest()),
        (world.suite.sync.ListChanges, sync_pb2.ListChangesRequest()),
    ]
    method, request = rng.choice(calls)
    must_fail(await world.call(tenant, method, request, metadata))


async def create_document(world: World, rng: random.Random, tenant: Tenant) -> None:
    names = ("org_id", "team_id", "project_id")
    scope: Any = {name: each for name, each in tenant.ids(rng).items() if name in names}
    document = db.Document(
        kind=_value(rng, 1, 2),
        scope=scope,
        text=tenant.text(rng),
        fields={"title": tenant.text(rng)},
    )
    request = db.CreateDocumentRequest(
        document=document, request_id=_request_id(rng, world, tenant)
    )
    answer = await world.call(tenant, world.suite.documents.CreateDocument, request)
    if ok(answer):
        tenant.documents[answer.name] = 0
        tenant.changes += 1


async def edit_document(world: World, rng: random.Random, tenant: Tenant) -> None:
    if not tenant.documents:
        return
    name = rng.choice(sorted(tenant.documents))
    request: Any = _document_change(rng, tenant, name)
    request[1].request_id = _request_id(rng, world, tenant)
    answer = await world.call(tenant, getattr(world.suite.documents, request[0]), request[1])
    if not ok(answer):
        return
    tenant.changes += 1
    tenant.documents[name] += 1
    if answer.version != tenant.documents[name]:
        raise Leak(f"{tenant.name} has a document that somebody else edited")


def _document_change(rng: random.Random, tenant: Tenant, name: str) -> tuple[str, Any]:
    part = db.TextOperation.Part(insert=tenant.text(rng))
    base = rng.randint(0, tenant.documents.get(name, 0))
    calls: list[tuple[str, Any]] = [
        (
            "EditDocument",
            db.EditDocumentRequest(
                name=name, base_version=base, operation=db.TextOperation(parts=[part])
            ),
        ),
        ("UndoDocumentEdit", db.UndoDocumentEditRequest(name=name)),
        ("RedoDocumentEdit", db.RedoDocumentEditRequest(name=name)),
        ("RestoreDocument", db.RestoreDocumentRequest(name=name, version=base)),
    ]
    return rng.choice(calls)


async def read_documents(world: World, rng: random.Random, tenant: Tenant) -> None:
    if not tenant.documents:
        return
    await world.call(tenant, *_document_reading(rng, world, rng.choice(sorted(tenant.documents))))


def _document_reading(rng: random.Random, world: World, name: str) -> tuple[Any, Any]:
    stub = world.suite.documents
    calls: list[tuple[Any, Any]] = [
        (stub.GetDocument, db.GetDocumentRequest(name=name)),
        (stub.GetDocument, db.GetDocumentRequest(name=name, version=0)),
        (stub.ListDocumentEdits, db.ListDocumentEditsRequest(name=name)),
        (stub.ListDocumentRevisions, db.ListDocumentRevisionsRequest(name=name)),
    ]
    return rng.choice(calls)


async def foreign_document(world: World, rng: random.Random, tenant: Tenant) -> None:
    name = _foreign(rng, world, tenant, "documents")
    if name is None:
        return
    method, change = _document_change(rng, tenant, name)
    stub = world.suite.documents
    calls: list[tuple[Any, Any]] = [
        (getattr(stub, method), change),
        (stub.DeleteDocument, db.DeleteDocumentRequest(name=name)),
        (stub.SaveDocument, db.SaveDocumentRequest(name=name)),
        _document_reading(rng, world, name),
    ]
    must_fail(await world.call(tenant, *rng.choice(calls)))


async def delete_document(world: World, rng: random.Random, tenant: Tenant) -> None:
    if not tenant.documents:
        return
    name = rng.choice(sorted(tenant.documents))
    request = db.DeleteDocumentRequest(name=name, request_id=_request_id(rng, world, tenant))
    answer = await world.call(tenant, world.suite.documents.DeleteDocument, request)
    if ok(answer):
        del tenant.documents[name]
        tenant.changes += 1


async def save_document(world: World, rng: random.Random, tenant: Tenant) -> None:
    if not tenant.documents:
        return
    request = db.SaveDocumentRequest(name=rng.choice(sorted(tenant.documents)))
    answer = await world.call(tenant, world.suite.documents.SaveDocument, request)
    if ok(answer):
        tenant.items.add(answer.knowledge_item)


OPERATIONS: tuple[Operation, ...] = (
    create_memory,
    batch_create,
    stream_create,
    refused_ids,
    get_memory,
    foreign_memory,
    list_memories,
    update_memory,
    delete_memory,
    supersede_memory,
    rate_memory,
    promote_memory,
    search_memories,
    memory_settings,
    invalidate_embeddings,
    reindex,
    upkeep,
    read_operations,
    foreign_operation,
    memory_history,
    create_item,
    move_item,
    foreign_item,
    read_items,
    relate,
    unrelate,
    create_policy,
    read_policies,
    foreign_policy,
    ask_approval,
    read_approvals,
    foreign_approval,
    record_event,
    rotate_keys,
    tend_keys,
    read_keys,
    consents,
    foreign_privacy,
    read_audit,
    copy_audit,
    prune_audit,
    read_anomalies,
    configure_anomalies,
    budgets,
    reservations,
    foreign_reservation,
    read_costs,
    webhooks,
    give_role,
    take_role,
    suspend_somebody,
    keep_agent,
    write_policy,
    use_policy,
    read_access,
    read_changes,
    subscribe,
    live,
    presence,
    administer,
    impersonate,
    create_document,
    edit_document,
    edit_document,
    read_documents,
    foreign_document,
    delete_document,
    save_document,
)


async def check_everything(world: World, tenant: Tenant) -> None:
    """The tenant sees exactly its own memories and items, and a log without gaps."""
    names = await _all(world, tenant, world.suite.memory.ListMemories, mb.ListMemoriesRequest)
    if names != tenant.memories:
        raise Leak(f"{tenant.name} sees {len(names)} memories, not {len(tenant.memories)}")
    items = await _all(
        world, tenant, world.suite.knowledge.ListKnowledgeItems, kb.ListKnowledgeItemsRequest
    )
    if items != tenant.items:
        raise Leak(f"{tenant.name} sees {len(items)} items, not {len(tenant.items)}")
    documents = await _all(
        world, tenant, world.suite.documents.ListDocuments, db.ListDocumentsRequest
    )
    if documents != tenant.documents.keys():
        raise Leak(f"{tenant.name} sees {len(documents)} documents, not {len(tenant.documents)}")
    numbers: list[int] = []
    while True:
        request = sync_pb2.ListChangesRequest(since=len(numbers), page_size=1000)
        answer = await world.call(tenant, world.suite.sync.ListChanges, request)
        numbers += [change.number for change in answer.changes]
        if len(numbers) >= answer.head:
            break
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) < tenant.changes:
        raise Leak(f"{tenant.name} has a log of {len(numbers)} changes, not {tenant.changes}")


async def _all(world: World, tenant: Tenant, method: Any, request: Any) -> set[str]:
    names: set[str] = set()
    token = ""
    while True:
        answer = await world.call(tenant, method, request(page_size=1000, page_token=token))
        lists = ("memories", "knowledge_items", "documents")
        found = next(getattr(answer, each) for each in lists if hasattr(answer, each))
        names.update(each.name for each in found)
        token = answer.next_page_token
        if not token:
            return names
