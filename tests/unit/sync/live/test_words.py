"""What events are called, and how connections end."""

import pytest

from libs.auth import TokenExpired
from libs.errors import AppError, InvalidRequest
from libs.postgres import StoreUnavailable
from libs.service.caller import ForeignTenant
from libs.service.pipeline import SlowConsumer
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantSuspended
from services.sync.errors import ServerStopping
from services.sync.live.domain.endings import Ending
from services.sync.live.domain.events import type_of
from services.sync.live.errors import AuthenticationLate, HeartbeatMissed, TooManyConnections
from tests.unit.sync.live.fakes import NOW


@pytest.mark.parametrize(
    ("resource", "operation", "event", "word"),
    [
        ("memories/1", "created", "", "MemoryAdded"),
        ("memories/1", "updated", "", "MemoryUpdated"),
        ("memories/1", "rated", "", "MemoryUpdated"),
        ("memories/1", "deleted", "", "MemoryDeleted"),
        ("memories/1", "promoted", "", "MemoryPromoted"),
        ("memories/1", "recorded", "access.denied", "ResourceChanged"),
        ("knowledgeItems/1", "accepted", "", "KnowledgeAccepted"),
        ("knowledgeItems/1", "deleted", "", "KnowledgeUpdated"),
        ("authorizationPolicies/p", "created", "", "PolicyChanged"),
        ("constraintPolicies/p", "deleted", "", "PolicyChanged"),
        ("approvalRequests/1", "created", "approval.pending", "ApprovalRequested"),
        ("approvalRequests/1", "accepted", "approval.approved", "ApprovalDecided"),
        ("approvalRequests/1", "updated", "approval.escalated", "ResourceChanged"),
        ("alerts/1", "recorded", "budget.threshold", "BudgetAlert"),
        ("alerts/1", "recorded", "anomaly.calls", "ResourceChanged"),
        ("anomalies/1", "created", "", "AnomalyFound"),
        ("roleBindings/1", "deleted", "", "RoleChanged"),
        ("consents", "recorded", "consent.granted", "ConsentChanged"),
        ("consentPolicy", "updated", "", "ConsentChanged"),
        ("documents/1", "updated", "", "DocumentEdited"),
        ("tenants/acme", "suspended", "", "TenantSuspended"),
        ("whatever", "unheard-of", "", "ResourceChanged"),
    ],
)
def test_each_change_has_a_word(resource: str, operation: str, event: str, word: str) -> None:
    row = LoggedChange(1, resource, operation, "", "", "", "", "", event, NOW, b"")

    assert type_of(row) == word


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServerStopping(), 1001),
        (InvalidRequest([]), 4400),
        (TokenExpired(), 4401),
        (ForeignTenant(), 4403),
        (TenantSuspended("acme"), 4403),
        (AuthenticationLate(), 4408),
        (HeartbeatMissed(), 4408),
        (SlowConsumer(), 4409),
        (TooManyConnections(1), 4429),
        (StoreUnavailable(), 4503),
    ],
)
def test_a_close_code_says_what_to_do_next(error: AppError, code: int) -> None:
    ending = Ending(error, 2**63 - 1)

    assert ending.code == code
    assert ending.text == f"{error.reason} number={2**63 - 1}"
    assert len(ending.text.encode()) <= 123
    assert Ending(error).text == error.reason
