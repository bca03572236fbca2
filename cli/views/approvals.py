"""Approvals."""

from google.protobuf.message import Message

from aeterna.governance.v1 import approvals_pb2
from cli.views.cells import Columns, enum, scope, time

COLUMNS: dict[type[Message], Columns] = {
    approvals_pb2.ApprovalRequest: {
        "NAME": lambda each: each.name,
        "NUMBER": lambda each: each.number,
        "KIND": lambda each: enum(approvals_pb2.ApprovalKind, each.kind),
        "STATE": lambda each: enum(approvals_pb2.ApprovalState, each.state),
        "RISK": lambda each: enum(approvals_pb2.ApprovalRisk, each.risk),
        "APPROVED": lambda each: f"{sum(one.approves for one in each.decisions)}/{each.needed}",
        "REQUESTER": lambda each: each.requester,
        "EXPIRES": lambda each: time(each.expire_time),
        "TITLE": lambda each: each.title,
    },
    approvals_pb2.ApprovalDelegation: {
        "NAME": lambda each: each.name,
        "HOLDER": lambda each: each.holder,
        "DELEGATE": lambda each: each.delegate,
        "SCOPE": lambda each: scope(each.scope),
        "EXPIRES": lambda each: time(each.expire_time),
    },
    approvals_pb2.ApprovalConfig: {
        "SCOPE": lambda each: scope(each.scope) or "company",
        "MODE": lambda each: enum(approvals_pb2.ApprovalMode, each.mode),
        "QUORUM": lambda each: str(each.quorum),
        "REQUIRED": lambda each: " ".join(
            enum(approvals_pb2.ApprovalKind, kind) for kind in each.required_kinds
        ),
        "HOURS": lambda each: f"{each.timeout.seconds / 3600:g}",
    },
}
