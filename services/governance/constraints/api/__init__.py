"""gRPC servicer of constraints: translates, nothing else."""

from dataclasses import dataclass

from google.protobuf import empty_pb2

from aeterna.governance.v1 import constraints_pb2 as pb
from aeterna.governance.v1 import constraints_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, Kind, parse
from libs.aip.names import resource_uuid
from libs.aip.paging import Page, bad_token
from libs.constraints import POLICY_IDS, Layer, Mode
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.scope import SCOPE_IDS, Scope
from libs.service.caller import caller
from libs.service.convert import asked, masked, moment, scope_from
from libs.service.pipeline import Context
from libs.tenancy import parse_label
from services.governance.constraints.api.messages import (
    MERGES,
    MODES,
    POLICIES,
    REPORTS,
    SUPPRESSIONS,
    changes_from,
    conflict_to,
    draft_from,
    policy_to,
    report_to,
    resolution_to,
    rules_from,
    suppression_to,
    verdict_to,
)
from services.governance.constraints.drift import DriftOperations, SuppressionDraft
from services.governance.constraints.operations import Judging, Patch, PolicyOperations, Told
from services.governance.constraints.ports import Reports

_MUTABLE = ("title", "mode", "merge", "rules")
_PAGE = 100
_IDS = {name: Field(name, Kind.TEXT) for name in POLICY_IDS}
_FILTER = {
    **_IDS,
    "key": Field("key", Kind.TEXT),
    "author": Field("author", Kind.TEXT),
    "layer": Field("layer", Kind.ENUM, {each.value: each.value for each in Layer}),
    "mode": Field("mode", Kind.ENUM, {each.value: each.value for each in Mode}),
    "create_time": Field("created_at", Kind.TIME),
    "update_time": Field("updated_at", Kind.TIME),
}
_REPORT_FILTER = {**_IDS, "create_time": Field("created_at", Kind.TIME)}


@dataclass(frozen=True)
class ConstraintServicer(pb_grpc.ConstraintServiceServicer):
    """`aeterna.governance.v1.ConstraintService` over the operations."""

    policies: PolicyOperations
    judging: Judging
    drift: DriftOperations
    reports: Reports
    keyring: Keyring

    async def CreateConstraintPolicy(
        self, request: pb.CreateConstraintPolicyRequest, context: Context
    ) -> pb.ConstraintPolicy:
        current, new = caller(), request.constraint_policy
        draft = draft_from(new, parse_label(new.key, "constraint_policy.key"))
        by = await asked(current, self.keyring, "CreateConstraintPolicy", request)
        told = await self.policies.create(current.route, by, draft, current.identity.subject)
        return policy_to(told)

    async def GetConstraintPolicy(
        self, request: pb.GetConstraintPolicyRequest, context: Context
    ) -> pb.ConstraintPolicy:
        policy = resource_uuid(request.name, POLICIES)
        return policy_to(Told(await self.policies.get(caller().route, policy)))

    async def ListConstraintPolicies(
        self, request: pb.ListConstraintPoliciesRequest, context: Context
    ) -> pb.ListConstraintPoliciesResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListConstraintPolicies/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding, maximum=_PAGE)
        found = await self.policies.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(
            found, lambda each: each.stored.id, lambda each: 2 * len(each.stored.document)
        )
        return pb.ListConstraintPoliciesResponse(
            constraint_policies=[policy_to(Told(each)) for each in shown], next_page_token=token
        )

    async def UpdateConstraintPolicy(
        self, request: pb.UpdateConstraintPolicyRequest, context: Context
    ) -> pb.ConstraintPolicy:
        current, new = caller(), request.constraint_policy
        policy = resource_uuid(new.name, POLICIES, "constraint_policy.name")
        names = masked(new, list(request.update_mask.paths), _MUTABLE)
        patch = Patch(
            title=new.title if "title" in names else None,
            mode=MODES[new.mode] if "mode" in names else None,
            merge=MERGES[new.merge] if "merge" in names else None,
            rules=rules_from(new.rules) if "rules" in names else None,
        )
        by = await asked(current, self.keyring, "UpdateConstraintPolicy", request)
        return policy_to(await self.policies.update(current.route, by, policy, new.etag, patch))

    async def DeleteConstraintPolicy(
        self, request: pb.DeleteConstraintPolicyRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        policy = resource_uuid(request.name, POLICIES)
        by = await asked(current, self.keyring, "DeleteConstraintPolicy", request)
        await self.policies.delete(current.route, by, policy, request.etag)
        return empty_pb2.Empty()

    async def ResolveConstraints(
        self, request: pb.ResolveConstraintsRequest, context: Context
    ) -> pb.ResolveConstraintsResponse:
        scope = _scope(scope_from(request.scope))
        return resolution_to(await self.judging.resolve(caller().route, scope))

    async def ListConstraintConflicts(
        self, request: pb.ListConstraintConflictsRequest, context: Context
    ) -> pb.ListConstraintConflictsResponse:
        current, scope = caller(), _scope(scope_from(request.scope))
        binding = f"ListConstraintConflicts/{current.tenant}/{scope}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        first = page.after_number()
        if first < 0:
            raise bad_token()
        found = (await self.judging.conflicts(current.route, scope))[first:]
        numbered = list(enumerate(found[: page.limit], start=first + 1))
        shown, token = page.cut(numbered, lambda each: each[0])
        return pb.ListConstraintConflictsResponse(
            conflicts=[conflict_to(each) for _, each in shown], next_page_token=token
        )

    async def CheckConstraints(
        self, request: pb.CheckConstraintsRequest, context: Context
    ) -> pb.CheckConstraintsResponse:
        current, changes = caller(), changes_from(request.change_set)
        scope = _scope(scope_from(request.scope))
        derive = request.change_set.derive
        return verdict_to(await self.judging.check(current.route, scope, changes, derive))

    async def CreateDriftReport(
        self, request: pb.CreateDriftReportRequest, context: Context
    ) -> pb.DriftReport:
        current, scope = caller(), _scope(scope_from(request.scope))
        adopted = {
            f"{POLICIES}/{resource_uuid(each.policy, POLICIES, f'adopted[{place}].policy')}": (
                each.version
            )
            for place, each in enumerate(request.adopted)
        }
        by = await asked(current, self.keyring, "CreateDriftReport", request)
        changes, derive = changes_from(request.state), request.state.derive
        known = adopted if adopted or request.adoption_known else None
        report = await self.drift.report(current.route, by, scope, changes, derive, known)
        return report_to(report)

    async def GetDriftReport(
        self, request: pb.GetDriftReportRequest, context: Context
    ) -> pb.DriftReport:
        report = resource_uuid(request.name, REPORTS)
        return report_to(await self.drift.get(caller().route, report))

    async def ListDriftReports(
        self, request: pb.ListDriftReportsRequest, context: Context
    ) -> pb.ListDriftReportsResponse:
        current = caller()
        where = parse(request.filter, _REPORT_FILTER)
        binding = f"ListDriftReports/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding, maximum=_PAGE)
        found = await self.drift.page(current.route, where, page.after_id(), page.limit)
        messages = [(each.id, report_to(each)) for each in found]
        shown, token = page.cut(messages, lambda each: each[0], lambda each: each[1].ByteSize())
        return pb.ListDriftReportsResponse(
            drift_reports=[message for _, message in shown], next_page_token=token
        )

    async def CreateDriftSuppression(
        self, request: pb.CreateDriftSuppressionRequest, context: Context
    ) -> pb.DriftSuppression:
        current, new = caller(), request.drift_suppression
        field = "drift_suppression"
        for name in ("pattern", "reason"):
            if "\0" in getattr(new, name):
                raise invalid(f"{field}.{name}", "must not hold NUL")
        draft = SuppressionDraft(
            policy=resource_uuid(new.policy, POLICIES, f"{field}.policy") if new.policy else None,
            pattern=new.pattern,
            reason=new.reason,
            expires_at=moment(new.expire_time, f"{field}.expire_time"),
            by=current.identity.subject,
        )
        by = await asked(current, self.keyring, "CreateDriftSuppression", request)
        return suppression_to(await self.drift.suppress(current.route, by, draft))

    async def ListDriftSuppressions(
        self, request: pb.ListDriftSuppressionsRequest, context: Context
    ) -> pb.ListDriftSuppressionsResponse:
        current = caller()
        binding = f"ListDriftSuppressions/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self.drift.suppressions(current.route, page.after_id(), page.limit)
        shown, token = page.cut(
            found, lambda each: each.stored.id, lambda each: 2 * len(each.stored.document)
        )
        return pb.ListDriftSuppressionsResponse(
            drift_suppressions=map(suppression_to, shown), next_page_token=token
        )

    async def DeleteDriftSuppression(
        self, request: pb.DeleteDriftSuppressionRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        suppression = resource_uuid(request.name, SUPPRESSIONS)
        by = await asked(current, self.keyring, "DeleteDriftSuppression", request)
        await self.reports.unsuppress(current.route, by, suppression)
        return empty_pb2.Empty()


def _scope(scope: Scope) -> Scope:
    """The scope, which says nothing that policies know nothing of."""
    for name in SCOPE_IDS:
        if name not in POLICY_IDS and getattr(scope, name):
            raise invalid(f"scope.{name}", "must be empty: policies are bound to no such thing")
    return scope
