"""Which columns a list of each kind of message has."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.common.v1 import change_pb2, operation_pb2, scope_pb2
from aeterna.governance.v1 import (
    agents_pb2,
    alerts_pb2,
    anomalies_pb2,
    approvals_pb2,
    audit_pb2,
    authorization_policies_pb2,
    budgets_pb2,
    consent_pb2,
    constraints_pb2,
    costs_pb2,
    erasure_pb2,
    keys_pb2,
    roles_pb2,
    tenants_pb2,
)
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import documents_pb2, live_pb2

Columns = Mapping[str, Callable[[Any], str]]


def _enum(kind: Any, value: int) -> str:
    """`LAYER_USER` as `user`: without the enum's own name."""
    name: str = kind.Name(value)
    prefix = kind.Name(0).removesuffix("UNSPECIFIED")
    return name.removeprefix(prefix).lower()


def _time(moment: Timestamp) -> str:
    return moment.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ") if moment.seconds else ""


def money(amount: Any) -> str:
    """`2.50 USD`, with as many decimals as it needs."""
    nanos = f"{amount.nanos:09d}".rstrip("0").ljust(2, "0")
    return f"{amount.units}.{nanos} {amount.currency_code}" if amount.currency_code else ""


def _for(budget: Any) -> str:
    """Whom and what a budget is for."""
    names = ("org_id", "team_id", "project_id", "model")
    return " ".join(
        f"{name.removesuffix('_id')}={value}" for name in names if (value := getattr(budget, name))
    )


def _scope(scope: scope_pb2.Scope | roles_pb2.RoleScope) -> str:
    return " ".join(
        f"{field.name.removesuffix('_id')}={value}" for field, value in scope.ListFields()
    )


def _layer(memory: memory_pb2.Memory) -> str:
    return _enum(memory_pb2.Layer, memory.layer)


def operation(change: change_pb2.Change) -> str:
    """What happened, as one word."""
    return _enum(change_pb2.Operation, change.operation)


def presence_state(presence: live_pb2.Presence) -> str:
    """What somebody does, as one word."""
    return _enum(live_pb2.PresenceState, presence.state)


_MEMORY: Columns = {
    "NAME": lambda each: each.name,
    "LAYER": _layer,
    "TIER": lambda each: _enum(memory_pb2.Tier, each.tier),
    "SCOPE": lambda each: _scope(each.scope),
    "V": lambda each: str(each.version),
    "UPDATED": lambda each: _time(each.update_time),
    "CONTENT": lambda each: each.content,
}
_ITEM: Columns = {
    "NAME": lambda each: each.name,
    "KIND": lambda each: _enum(knowledge_pb2.KnowledgeKind, each.kind),
    "STATUS": lambda each: _enum(knowledge_pb2.KnowledgeStatus, each.status),
    "V": lambda each: str(each.version),
    "AUTHOR": lambda each: each.author,
    "UPDATED": lambda each: _time(each.update_time),
    "TITLE": lambda each: each.title,
}
_CHANGE: Columns = {
    "NUMBER": lambda each: str(each.number),
    "TIME": lambda each: _time(each.commit_time),
    "OPERATION": operation,
    "RESOURCE": lambda each: each.resource,
    "LAYER": lambda each: each.layer,
    "SUBJECT": lambda each: each.subject,
    "ACTOR": lambda each: each.actor,
}


def _of(columns: Columns, part: Callable[[Any], Any]) -> Columns:
    """The same columns for messages that hold the thing."""

    def within(cell: Callable[[Any], str]) -> Callable[[Any], str]:
        return lambda message: cell(part(message))

    return {title: within(cell) for title, cell in columns.items()}


_CHANGED = _of(_CHANGE, lambda each: each.change)
_REVISION = ("NUMBER", "TIME", "OPERATION", "ACTOR")
_SCORE: Columns = {"SCORE": lambda each: f"{each.score:.3f}"}


def _explained(result: memory_pb2.SearchResult) -> str:
    """The score, with what it is made of, if that was asked for."""
    parts = [f"{each.contribution:+.2f} {each.name}" for each in result.signals]
    return " ".join([f"{result.score:.3f}", *parts])


def _watching(detector: anomalies_pb2.AnomalyDetector) -> str:
    """How a series is judged."""
    if detector.WhichOneof("rule") == "sigma":
        return f"{detector.sigma.factor:g} sigma over {detector.sigma.window}"
    return f"adaptive, sensitivity {detector.adaptive.sensitivity:g}"


def operation_metadata(message: Any) -> operation_pb2.OperationMetadata:
    """How far a long-running operation is."""
    metadata = operation_pb2.OperationMetadata()
    message.metadata.Unpack(metadata)
    return metadata


def _policy_state(state: int) -> str:
    return _enum(authorization_policies_pb2.AuthorizationPolicyState, state)


def _answer(allowed: bool, policies: Sequence[str]) -> str:
    """What is decided and by which policies."""
    return " ".join(["allowed" if allowed else "denied", *(policies or ["(none permits)"])])


_OPERATION: Columns = {
    "KIND": lambda each: each.kind,
    "STATE": lambda each: _enum(operation_pb2.OperationState, each.state),
    "DONE": lambda each: f"{each.done}/{each.total}",
    "CREATED": lambda each: _time(each.create_time),
    "UPDATED": lambda each: _time(each.update_time),
    "ACTOR": lambda each: each.actor,
}
_CONSENT: Columns = {
    "SUBJECT": lambda each: each.subject,
    "PURPOSE": lambda each: each.purpose,
    "STATE": lambda each: _enum(consent_pb2.ConsentState, each.state),
    "UPDATED": lambda each: _time(each.update_time),
    "EXPIRES": lambda each: _time(each.expire_time),
}


def _rule(reference: constraints_pb2.RuleReference) -> str:
    """`http-clients/no-requests (team)`."""
    layer = _enum(constraints_pb2.PolicyLayer, reference.layer)
    return f"{reference.key}/{reference.rule} ({layer})"


def _severity(value: int) -> str:
    return _enum(constraints_pb2.RuleSeverity, value)


def _place(each: Any) -> str:
    return f"{each.path}:{each.line}" if each.line else each.path


_CONSTRAINTS: dict[type[Message], Columns] = {
    constraints_pb2.ConstraintPolicy: {
        "NAME": lambda each: each.name,
        "KEY": lambda each: each.key,
        "LAYER": lambda each: _enum(constraints_pb2.PolicyLayer, each.layer),
        "SCOPE": lambda each: _scope(each.scope),
        "MODE": lambda each: _enum(constraints_pb2.PolicyMode, each.mode),
        "V": lambda each: str(each.version),
        "RULES": lambda each: str(len(each.rules)),
        "TITLE": lambda each: each.title,
    },
    constraints_pb2.HeldRule: {
        "RULE": lambda each: _rule(each.origin),
        "SEVERITY": lambda each: _severity(each.rule.severity),
        "OPERATOR": lambda each: _enum(constraints_pb2.RuleOperator, each.rule.operator),
        "TARGET": lambda each: _enum(constraints_pb2.RuleTarget, each.rule.target),
        "PATTERN": lambda each: each.rule.pattern,
    },
    constraints_pb2.Violation: {
        "SEVERITY": lambda each: _severity(each.severity),
        "PLACE": _place,
        "RULE": lambda each: _rule(each.rule),
        "MESSAGE": lambda each: each.message,
    },
    constraints_pb2.ConstraintConflict: {
        "KIND": lambda each: _enum(constraints_pb2.ConflictKind, each.kind),
        "ONE": lambda each: _rule(each.one),
        "OTHER": lambda each: _rule(each.other),
    },
    constraints_pb2.DriftReport: {
        "NAME": lambda each: each.name,
        "SCOPE": lambda each: _scope(each.scope),
        "SCORE": lambda each: f"{each.score:.2f}",
        "FINDINGS": lambda each: str(len(each.findings)),
        "NEW": lambda each: str(len(each.new_findings)),
        "RESOLVED": lambda each: str(len(each.resolved_findings)),
        "CREATED": lambda each: _time(each.create_time),
    },
    constraints_pb2.DriftSuppression: {
        "NAME": lambda each: each.name,
        "POLICY": lambda each: each.policy,
        "PATTERN": lambda each: each.pattern,
        "EXPIRES": lambda each: _time(each.expire_time),
        "REASON": lambda each: each.reason,
    },
}
_APPROVALS: dict[type[Message], Columns] = {
    approvals_pb2.ApprovalRequest: {
        "NAME": lambda each: each.name,
        "NUMBER": lambda each: each.number,
        "KIND": lambda each: _enum(approvals_pb2.ApprovalKind, each.kind),
        "STATE": lambda each: _enum(approvals_pb2.ApprovalState, each.state),
        "RISK": lambda each: _enum(approvals_pb2.ApprovalRisk, each.risk),
        "APPROVED": lambda each: f"{sum(one.approves for one in each.decisions)}/{each.needed}",
        "REQUESTER": lambda each: each.requester,
        "EXPIRES": lambda each: _time(each.expire_time),
        "TITLE": lambda each: each.title,
    },
    approvals_pb2.ApprovalDelegation: {
        "NAME": lambda each: each.name,
        "HOLDER": lambda each: each.holder,
        "DELEGATE": lambda each: each.delegate,
        "SCOPE": lambda each: _scope(each.scope),
        "EXPIRES": lambda each: _time(each.expire_time),
    },
    approvals_pb2.ApprovalConfig: {
        "SCOPE": lambda each: _scope(each.scope) or "company",
        "MODE": lambda each: _enum(approvals_pb2.ApprovalMode, each.mode),
        "QUORUM": lambda each: str(each.quorum),
        "REQUIRED": lambda each: " ".join(
            _enum(approvals_pb2.ApprovalKind, kind) for kind in each.required_kinds
        ),
        "HOURS": lambda each: f"{each.timeout.seconds / 3600:g}",
    },
}
_COLUMNS: dict[type[Message], Columns] = {
    consent_pb2.Consent: _CONSENT,
    consent_pb2.ConsentEvent: {
        **_of(_CONSENT, lambda each: each.consent),
        "ACTOR": lambda each: each.actor,
    },
    erasure_pb2.Erasure: {
        "NAME": lambda each: each.name,
        "STRATEGY": lambda each: _enum(erasure_pb2.ErasureStrategy, each.strategy),
        "STATE": lambda each: _enum(erasure_pb2.ErasureState, each.state),
        "CREATED": lambda each: _time(each.create_time),
        "COMPLETE": lambda each: _time(each.complete_time),
        "REFERENCE": lambda each: each.reference,
    },
    memory_pb2.Memory: _MEMORY,
    memory_pb2.SearchResult: {
        "SCORE": _explained,
        **_of(_MEMORY, lambda each: each.memory),
    },
    memory_pb2.MemoryRevision: {
        **{title: _CHANGED[title] for title in _REVISION},
        "V": lambda each: str(each.memory.version) if each.HasField("memory") else "",
        "CONTENT": lambda each: each.memory.content,
    },
    operations_pb2.Operation: {
        "NAME": lambda each: each.name,
        **_of(_OPERATION, operation_metadata),
    },
    knowledge_pb2.KnowledgeItem: _ITEM,
    knowledge_pb2.SearchResult: {**_SCORE, **_of(_ITEM, lambda each: each.knowledge_item)},
    knowledge_pb2.KnowledgeItemRevision: {
        **{title: _CHANGED[title] for title in _REVISION},
        "STATUS": lambda each: _enum(knowledge_pb2.KnowledgeStatus, each.knowledge_item.status),
        "V": lambda each: str(each.knowledge_item.version),
        "TITLE": lambda each: each.knowledge_item.title,
    },
    knowledge_pb2.Relation: {
        "NAME": lambda each: each.name,
        "SOURCE": lambda each: each.source,
        "KIND": lambda each: _enum(knowledge_pb2.RelationKind, each.kind),
        "TARGET": lambda each: each.target,
    },
    tenants_pb2.Tenant: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: _enum(tenants_pb2.TenantState, each.state),
        "SHARD": lambda each: each.placement.shard,
        "EPOCH": lambda each: str(each.placement.epoch),
        "CREATED": lambda each: _time(each.create_time),
        "DISPLAY NAME": lambda each: each.display_name,
    },
    roles_pb2.RoleBinding: {
        "NAME": lambda each: each.name,
        "USER": lambda each: each.user,
        "ROLE": lambda each: _enum(roles_pb2.Role, each.role),
        "SCOPE": lambda each: _scope(each.scope),
        "UNTIL": lambda each: _time(each.expire_time),
        "GRANTED BY": lambda each: each.granted_by,
    },
    roles_pb2.SuspendedUser: {
        "USER": lambda each: each.user,
        "SINCE": lambda each: _time(each.suspend_time),
        "SUSPENDED BY": lambda each: each.suspended_by,
    },
    agents_pb2.Agent: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: _enum(agents_pb2.AgentState, each.state),
        "OWNER": lambda each: each.owner,
        "DEPTH": lambda each: str(each.max_delegation_depth),
        "UNTIL": lambda each: _time(each.expire_time),
        "CAPABILITIES": lambda each: " ".join(each.capabilities),
    },
    authorization_policies_pb2.AuthorizationPolicy: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: _policy_state(each.state),
        "ACTIVE": lambda each: str(each.active_version or ""),
        "NEWEST": lambda each: str(each.latest_version),
        "UPDATED": lambda each: _time(each.update_time),
        "DESCRIPTION": lambda each: each.description,
    },
    authorization_policies_pb2.AuthorizationPolicyVersion: {
        "V": lambda each: str(each.version),
        "STATE": lambda each: _policy_state(each.state),
        "AUTHOR": lambda each: each.author,
        "CREATED": lambda each: _time(each.create_time),
        "ACTIVATED": lambda each: _time(each.activate_time),
        "DESCRIPTION": lambda each: each.description,
        "TEXT": lambda each: each.text,
    },
    authorization_policies_pb2.ChangedDecision: {
        "COUNT": lambda each: str(each.count),
        "PRINCIPAL": lambda each: each.principal,
        "ACTION": lambda each: each.action,
        "RESOURCE": lambda each: each.resource,
        "NOW": lambda each: _answer(each.allowed_now, each.policies_now),
        "THEN": lambda each: _answer(each.allowed_then, each.policies_then),
    },
    audit_pb2.AuditEntry: {
        **_CHANGED,
        "EVENT": lambda each: each.event,
        "HASH": lambda each: each.hash.hex()[:12],
    },
    audit_pb2.AuditCheckpoint: {
        "NUMBER": lambda each: str(each.number),
        "SIGNED": lambda each: _time(each.create_time),
        "KEY": lambda each: each.key_id,
        "HASH": lambda each: each.hash.hex(),
    },
    audit_pb2.SigningKey: {
        "KEY": lambda each: each.key_id,
        "CURRENT": lambda each: "yes" if each.current else "no",
        "PUBLIC KEY": lambda each: b64encode(each.public_key).decode(),
    },
    anomalies_pb2.Anomaly: {
        "NAME": lambda each: each.name,
        "PERIOD": lambda each: _time(each.period_time),
        "METRIC": lambda each: _enum(anomalies_pb2.Metric, each.metric),
        "KIND": lambda each: _enum(anomalies_pb2.AnomalyKind, each.kind),
        "SEVERITY": lambda each: _enum(anomalies_pb2.AnomalySeverity, each.severity),
        "OBSERVED": lambda each: f"{each.observed:.4g}",
        "EXPECTED": lambda each: f"{each.expected:.4g}",
        "SCORE": lambda each: f"{each.score:.2f}",
    },
    anomalies_pb2.AnomalyDetector: {
        "NAME": lambda each: each.name,
        "RULE": _watching,
        "FLOOR": lambda each: f"{each.floor:g}",
        "MUTED": lambda each: "yes" if each.muted else "no",
        "V": lambda each: str(each.version),
    },
    anomalies_pb2.SeriesPoint: {
        "PERIOD": lambda each: _time(each.period_time),
        "VALUE": lambda each: f"{each.value:.4g}",
    },
    keys_pb2.TenantKey: {
        "NAME": lambda each: each.name,
        "PRIMARY": lambda each: "yes" if each.primary else "",
        "SUBJECT KEYS": lambda each: str(each.subject_keys),
        "CREATED": lambda each: _time(each.create_time),
        "KMS KEY": lambda each: each.kms_key,
    },
    keys_pb2.SubjectKey: {
        "NAME": lambda each: each.name,
        "SUBJECT": lambda each: each.subject,
        "V": lambda each: str(each.version),
        "PRIMARY": lambda each: "yes" if each.primary else "",
        "TENANT KEY": lambda each: str(each.tenant_key_version),
        "USES": lambda each: str(each.uses),
        "CREATED": lambda each: _time(each.create_time),
    },
    keys_pb2.KmsKey: {
        "PROVIDER": lambda each: each.provider,
        "KEY ID": lambda each: each.key_id,
        "STATE": lambda each: each.state,
        "VERSIONS": lambda each: str(each.versions),
        "CREATED": lambda each: _time(each.create_time),
        "DELETION": lambda each: _time(each.deletion_time),
    },
    change_pb2.Change: _CHANGE,
    costs_pb2.Cost: {
        "FROM": lambda each: _time(each.start_time),
        "SERVICE": lambda each: each.service,
        "KIND": lambda each: each.kind,
        "FOR": _for,
        "QUANTITY": lambda each: each.quantity,
        "COST": lambda each: money(each.cost),
        "UNPRICED": lambda each: each.unpriced_quantity,
    },
    budgets_pb2.Budget: {
        "NAME": lambda each: each.name,
        "FOR": _for,
        "PERIOD": lambda each: _enum(budgets_pb2.BudgetPeriod, each.period),
        "ACTION": lambda each: _enum(budgets_pb2.BudgetAction, each.action),
        "LIMIT": lambda each: money(each.limit),
        "SPENT": lambda each: money(each.spent),
        "RESERVED": lambda each: money(each.reserved),
        "REACHED": lambda each: f"{each.reached_percent:g} %" if each.reached_percent else "",
    },
    alerts_pb2.Alert: {
        "NAME": lambda each: each.name,
        "RAISED": lambda each: _time(each.raise_time),
        "SEVERITY": lambda each: _enum(alerts_pb2.AlertSeverity, each.severity),
        "KIND": lambda each: each.kind,
        "RESOURCE": lambda each: each.resource,
        "FACTS": lambda each: " ".join(f"{key}={value}" for key, value in each.facts.items()),
    },
    alerts_pb2.Webhook: {
        "NAME": lambda each: each.name,
        "KINDS": lambda each: " ".join(each.kinds) or "all",
        "SENDS": lambda each: "no" if each.disabled else "yes",
        "URL": lambda each: each.url,
    },
    alerts_pb2.WebhookDelivery: {
        "NAME": lambda each: each.name,
        "WEBHOOK": lambda each: each.webhook,
        "STATE": lambda each: _enum(alerts_pb2.WebhookDeliveryState, each.state),
        "TRIES": lambda each: str(each.attempts),
        "STATUS": lambda each: str(each.last_status or ""),
        "PROBLEM": lambda each: each.problem,
        "NEXT": lambda each: _time(each.next_attempt_time),
    },
    documents_pb2.Document: {
        "NAME": lambda each: each.name,
        "KIND": lambda each: _enum(documents_pb2.DocumentKind, each.kind),
        "SCOPE": lambda each: _scope(each.scope),
        "V": lambda each: str(each.version),
        "SAVED": lambda each: str(each.saved_version or ""),
        "AUTHOR": lambda each: each.author,
        "UPDATED": lambda each: _time(each.update_time),
        "TITLE": lambda each: each.fields.get("title", ""),
    },
    documents_pb2.DocumentRevision: {
        "VERSION": lambda each: str(each.version),
        "FROM": lambda each: str(each.base_version),
        "TIME": lambda each: _time(each.edit_time),
        "AUTHOR": lambda each: each.author,
        "INSERTED": lambda each: str(each.inserted),
        "DELETED": lambda each: str(each.deleted),
    },
    live_pb2.Presence: {
        "USER": lambda each: each.user,
        "AGENT": lambda each: each.agent,
        "STATE": presence_state,
        "DEVICE": lambda each: each.device,
        "SINCE": lambda each: _time(each.join_time),
        "AT": lambda each: str(each.cursor.position) if each.HasField("cursor") else "",
    },
    **_CONSTRAINTS,
    **_APPROVALS,
}
COLUMNS: Mapping[str, Columns] = {
    kind.DESCRIPTOR.full_name: columns for kind, columns in _COLUMNS.items()
}
