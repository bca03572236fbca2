"""Who may call what, through the real services: the whole matrix as one table."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import authorization_pb2
from libs.auth import Role
from tests.errors import info_of
from tests.fuzz.test_rpcs import rpcs
from tests.suite import Metadata, Suite

COLUMNS = dict(zip("VDLAMTPG", Role, strict=True))

# Viewer, Developer, tech Lead, Architect, adMin, Tenant admin, Platform admin, aGent: the last is
# one that acts in its own name; test_agents has those that act for people.
TABLE = """
    CreateMemory                  . D L A M T P G
    BatchCreateMemories           . D L A M T P G
    StreamCreateMemories          . D L A M T P G
    GetMemory                     V D L A M T P G
    ListMemories                  V D L A M T P G
    UpdateMemory                  . D L A M T P G
    DeleteMemory                  . D L A M T P G
    SupersedeMemory               . D L A M T P G
    FeedbackMemory                . D L A M T P G
    PromoteMemory                 . D L A M T P G
    SearchMemories                V D L A M T P G
    ReasonMemories                V D L A M T P G
    ListMemoryRevisions           V D L A M T P G
    InvalidateEmbeddings          . . . . M T P .
    GetMemorySettings             V D L A M T P G
    UpdateMemorySettings          . . . . M T P .
    ReindexMemories               . . . . M T P .
    OptimizeMemories              . . . . M T P .
    PruneMemories                 . . . . M T P .

    CreateKnowledgeItem           . D L A M T P G
    GetKnowledgeItem              V D L A M T P G
    ListKnowledgeItems            V D L A M T P G
    UpdateKnowledgeItem           . D L A M T P G
    ProposeKnowledgeItem          . D L A M T P G
    AcceptKnowledgeItem           . . L A M T P .
    RejectKnowledgeItem           . . L A M T P .
    DeprecateKnowledgeItem        . . L A M T P .
    SearchKnowledgeItems          V D L A M T P G
    ListKnowledgeItemRevisions    V D L A M T P G
    CreateRelation                . D L A M T P G
    DeleteRelation                . D L A M T P G
    ListRelations                 V D L A M T P G

    CreateTenant                  . . . . . . P .
    GetTenant                     V D L A M T P G
    ListTenants                   . . . . . . P .
    SuspendTenant                 . . . . . . P .
    ResumeTenant                  . . . . . . P .
    RecordAuditEvent              . D L A M T P G
    ListAuditEntries              . . L A M T P .
    VerifyAuditTrail              . . L A M T P .
    ExportAuditTrail              . . L A M T P .
    PruneAuditTrail               . . . . M T P .
    ListAuditCheckpoints          . . L A M T P .
    ListSigningKeys               V D L A M T P G
    ListAnomalies                 V D L A M T P G
    GetAnomaly                    V D L A M T P G
    ExplainAnomaly                V D L A M T P G
    ListAnomalyDetectors          V D L A M T P G
    UpdateAnomalyDetector         . . . . M T P .

    AssignRole                    . . . . M T P .
    GetRoleBinding                V D L A M T P G
    ListRoleBindings              V D L A M T P G
    RevokeRole                    . . . . M T P .
    SuspendUser                   . . . . M T P .
    ResumeUser                    . . . . M T P .
    ListSuspendedUsers            V D L A M T P G
    RegisterAgent                 . D L A M T P G
    GetAgent                      V D L A M T P G
    ListAgents                    V D L A M T P G
    UpdateAgent                   . D L A M T P G
    SuspendAgent                  . D L A M T P G
    ResumeAgent                   . D L A M T P G
    RevokeAgent                   . D L A M T P G
    CreateAuthorizationPolicy     . . L A M T P G
    GetAuthorizationPolicy        V D L A M T P G
    ListAuthorizationPolicies     V D L A M T P G
    UpdateAuthorizationPolicy     . . L A M T P G
    ListAuthorizationPolicyVersions V D L A M T P G
    ValidateAuthorizationPolicy   V D L A M T P G
    ActivateAuthorizationPolicy   . . . . M T P .
    RollbackAuthorizationPolicy   . . . . M T P .
    DeactivateAuthorizationPolicy . . . . M T P .
    DeleteAuthorizationPolicy     . . . . M T P .
    SimulateAuthorizationPolicies . D L A M T P G
    CheckAccess                   V D L A M T P G
    BatchCheckAccess              V D L A M T P G

    CreateApprovalRequest         . D L A M T P G
    GetApprovalRequest            V D L A M T P G
    ListApprovalRequests          V D L A M T P G
    ApproveApprovalRequest        . D L A M T P .
    RejectApprovalRequest         . D L A M T P .
    WithdrawApprovalRequest       . D L A M T P G
    ApplyApprovalRequest          . D L A M T P G
    CreateApprovalDelegation      . D L A M T P .
    ListApprovalDelegations       V D L A M T P G
    DeleteApprovalDelegation      . D L A M T P .
    GetApprovalConfig             V D L A M T P G
    ListApprovalConfigs           V D L A M T P G
    SetApprovalConfig             . . . . M T P .
    DeleteApprovalConfig          . . . . M T P .

    CreateConstraintPolicy        . . L A M T P G
    GetConstraintPolicy           V D L A M T P G
    ListConstraintPolicies        V D L A M T P G
    UpdateConstraintPolicy        . . L A M T P G
    DeleteConstraintPolicy        . . L A M T P G
    ResolveConstraints            V D L A M T P G
    ListConstraintConflicts       V D L A M T P G
    CheckConstraints              V D L A M T P G
    CreateDriftReport             . D L A M T P G
    GetDriftReport                V D L A M T P G
    ListDriftReports              V D L A M T P G
    CreateDriftSuppression        . . L A M T P G
    ListDriftSuppressions         V D L A M T P G
    DeleteDriftSuppression        . . L A M T P G

    GrantConsent                  V D L A M T P G
    WithdrawConsent               V D L A M T P G
    ListConsents                  V D L A M T P G
    ListConsentEvents             V D L A M T P G
    CheckConsent                  V D L A M T P G
    GetConsentPolicy              V D L A M T P G
    UpdateConsentPolicy           . . . . M T P .
    EraseSubject                  . . . . M T P .
    GetErasure                    . . . . M T P .
    ListErasures                  . . . . M T P .
    LiftErasure                   . . . . M T P .
    ReplayErasures                . . . . M T P .
    RevealPseudonym               . . . . M T P .
    DestroyPseudonymKey           . . . . M T P .
    ListCertificateKeys           V D L A M T P G
    ExportSubject                 . . . . M T P .
    DownloadSubjectExport         . . . . M T P .
    DeleteSubjectExport           . . . . M T P .

    QueryCosts                    . . L A M T P .
    ListTopConsumers              . . L A M T P .
    ForecastCosts                 . . L A M T P .
    ListPrices                    . . L A M T P .
    CreateBudget                  . . . . M T P .
    GetBudget                     V D L A M T P G
    ListBudgets                   V D L A M T P G
    UpdateBudget                  . . . . M T P .
    DeleteBudget                  . . . . M T P .
    ReserveBudget                 . D L A M T P G
    SettleReservation             . D L A M T P G
    ReleaseReservation            . D L A M T P G
    ListAlerts                    . . L A M T P .
    CreateWebhook                 . . . . M T P .
    GetWebhook                    . . . . M T P .
    ListWebhooks                  . . . . M T P .
    UpdateWebhook                 . . . . M T P .
    DeleteWebhook                 . . . . M T P .
    TestWebhook                   . . . . M T P .
    ListWebhookDeliveries         . . . . M T P .
    RedeliverWebhookDelivery      . . . . M T P .

    ListTenantKeys                . . . . M T P .
    ListSubjectKeys               . . . . M T P .
    RotateTenantKey               . . . . M T P .
    RotateSubjectKey              . . . . M T P .
    RotateSubjectKeys             . . . . M T P .
    RewrapTenantKeys              . . . . M T P .
    ReencryptFields               . . . . M T P .
    RetireKeys                    . . . . M T P .
    GetKmsKey                     . . . . . . P .
    ListKmsKeys                   . . . . . . P .
    RotateKmsKey                  . . . . . . P .

    ListChanges                   V D L A M T P G
    Subscribe                     V D L A M T P G
    Connect                       V D L A M T P G
    ListPresence                  V D L A M T P G

    CreateDocument                . D L A M T P G
    GetDocument                   V D L A M T P G
    ListDocuments                 V D L A M T P G
    DeleteDocument                . D L A M T P G
    EditDocument                  . D L A M T P G
    UndoDocumentEdit              . D L A M T P G
    RedoDocumentEdit              . D L A M T P G
    ListDocumentEdits             V D L A M T P G
    ListDocumentRevisions         V D L A M T P G
    RestoreDocument               . D L A M T P G
    SaveDocument                  . D L A M T P G

    ListOperations                V D L A M T P G
    GetOperation                  V D L A M T P G
    WaitOperation                 V D L A M T P G
    CancelOperation               . . . . M T P .
    DeleteOperation               . . . . M T P .
"""
_ABOUT_OTHERS = ("HandleConsents",)  # asked for when a call that is for everybody is about others
ROWS = [line.split() for line in TABLE.splitlines() if line]
MATRIX = {rpc: frozenset(marks) - {"."} for rpc, *marks in ROWS}
CALLED: dict[str, tuple[str, Any]] = {method.name: (service, method) for service, method in rpcs()}


def test_the_table_has_every_rpc() -> None:
    assert MATRIX.keys() == CALLED.keys()
    assert set().union(*MATRIX.values()) == COLUMNS.keys()


@pytest.fixture(scope="module")
def tenant(shared_suite: Suite, runner: asyncio.Runner) -> str:
    name = f"m{uuid4().hex[:12]}"
    runner.run(shared_suite.create_tenant(name))
    return name


@pytest.mark.parametrize("mark", COLUMNS)
def test_a_role_may_call_what_the_table_says(
    shared_suite: Suite, runner: asyncio.Runner, tenant: str, mark: str
) -> None:
    metadata = shared_suite.auth(tenant, "ann", (COLUMNS[mark],))

    async def allowed() -> set[str]:
        """All of them at once would wait for each other's operations."""
        return {rpc for rpc in CALLED if await _admitted(shared_suite, metadata, rpc)}

    assert runner.run(allowed()) == {rpc for rpc, marks in MATRIX.items() if mark in marks}


@pytest.mark.parametrize("mark", COLUMNS)
def test_no_role_but_the_platform_s_reaches_another_tenant(
    shared_suite: Suite, runner: asyncio.Runner, tenant: str, mark: str
) -> None:
    own = f"m{uuid4().hex[:12]}"
    runner.run(shared_suite.create_tenant(own))
    token = shared_suite.auth(own, "ann", (COLUMNS[mark],))
    metadata = (*token, ("x-aeterna-tenant", tenant))

    async def allowed() -> set[str]:
        return {rpc for rpc in CALLED if await _admitted(shared_suite, metadata, rpc)}

    everything = {rpc for rpc, marks in MATRIX.items() if mark in marks}
    assert runner.run(allowed()) == (everything if mark == "P" else set())


async def _admitted(suite: Suite, metadata: Metadata, rpc: str) -> bool:
    """Whether a call with an empty message gets further than to the policies."""
    service, method = CALLED[rpc]
    channel = suite.channels[service]
    path = f"/{method.containing_service.full_name}/{rpc}"
    makers: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    request: Any = iter([b""]) if method.client_streaming else b""
    make = makers[method.client_streaming, method.server_streaming]
    call = make(path)(request, metadata=metadata, timeout=30)
    try:
        await (call.read() if method.server_streaming else call)
    except grpc.aio.AioRpcError as error:
        return not _is_denial(error, rpc)
    finally:
        call.cancel()
    return True


def _is_denial(error: grpc.aio.AioRpcError, rpc: str) -> bool:
    """Whether policies denied it; then it says of what, and by which policies."""
    if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
        return False
    info = info_of(error)
    if info.reason == "PERMISSION_DENIED":
        assert set(info.metadata) == {"action", "policies"}
        if info.metadata["action"] in _ABOUT_OTHERS:
            return False
        assert info.metadata["action"] == _action(rpc)
        return True
    return bool(info.reason == "FOREIGN_TENANT")


def _action(rpc: str) -> str:
    _, method = CALLED[rpc]
    named: str = method.GetOptions().Extensions[authorization_pb2.action]
    return named or {"WaitOperation": "GetOperation"}.get(rpc, rpc)
