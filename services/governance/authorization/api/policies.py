"""gRPC servicer of a tenant's own policies."""

from datetime import datetime
from typing import Literal

from google.protobuf import empty_pb2

from aeterna.governance.v1 import authorization_policies_pb2 as pb
from aeterna.governance.v1 import authorization_policies_pb2_grpc
from libs.aip.names import resource_id
from libs.aip.paging import Page
from libs.encryption.keyring import Keyring
from libs.errors import FieldViolation, InvalidRequest, invalid
from libs.service.caller import Caller, caller
from libs.service.convert import asked, moment, timestamp
from libs.service.pipeline import Context
from services.governance.authorization.api.common import after, policy_name
from services.governance.authorization.domain.cedar import Grammar
from services.governance.authorization.domain.policies import COLLECTION, Policy, Version
from services.governance.authorization.operations import Changed, Outcome, Simulate
from services.governance.authorization.ports import Policies

_EXAMPLES = 20
_SPARE = 64  # bytes of a message beside its texts, generously


class PolicyServicer(authorization_policies_pb2_grpc.AuthorizationPolicyServiceServicer):
    """`aeterna.governance.v1.AuthorizationPolicyService` over the store."""

    def __init__(
        self, policies: Policies, grammar: Grammar, simulate: Simulate, keyring: Keyring
    ) -> None:
        self._policies, self._grammar = policies, grammar
        self._simulate, self._keyring = simulate, keyring

    async def CreateAuthorizationPolicy(
        self, request: pb.CreateAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        current, given = caller(), request.authorization_policy
        self._check(given.text, current.tenant, "authorization_policy.text")
        by = await asked(current, self._keyring, "CreateAuthorizationPolicy", request)
        policy = request.authorization_policy_id
        return _message(
            *await self._policies.create(current.route, by, policy, given.text, given.description)
        )

    async def GetAuthorizationPolicy(
        self, request: pb.GetAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        policy = resource_id(request.name, COLLECTION)
        return _message(*await self._policies.get(caller().route, policy))

    async def ListAuthorizationPolicies(
        self, request: pb.ListAuthorizationPoliciesRequest, context: Context
    ) -> pb.ListAuthorizationPoliciesResponse:
        current = caller()
        binding = f"ListAuthorizationPolicies/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._policies.page(current.route, after(page), page.limit)
        shown, token = page.cut(found, lambda each: each[0].id, lambda each: _size(each[1]))
        return pb.ListAuthorizationPoliciesResponse(
            authorization_policies=[_message(*each) for each in shown], next_page_token=token
        )

    async def UpdateAuthorizationPolicy(
        self, request: pb.UpdateAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        current, given = caller(), request.authorization_policy
        policy = resource_id(given.name, COLLECTION, "authorization_policy.name")
        self._check(given.text, current.tenant, "authorization_policy.text")
        by = await asked(current, self._keyring, "UpdateAuthorizationPolicy", request)
        return _message(
            *await self._policies.update(
                current.route, by, policy, given.etag, given.text, given.description
            )
        )

    async def ListAuthorizationPolicyVersions(
        self, request: pb.ListAuthorizationPolicyVersionsRequest, context: Context
    ) -> pb.ListAuthorizationPolicyVersionsResponse:
        current, policy = caller(), resource_id(request.name, COLLECTION)
        binding = f"ListAuthorizationPolicyVersions/{current.tenant}/{policy}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        below = page.after_number()
        of, found = await self._policies.history(current.route, policy, below, page.limit)
        shown, token = page.cut(found, lambda each: each.number, _size)
        return pb.ListAuthorizationPolicyVersionsResponse(
            versions=[_version(of, each) for each in shown], next_page_token=token
        )

    async def ValidateAuthorizationPolicy(
        self, request: pb.ValidateAuthorizationPolicyRequest, context: Context
    ) -> pb.ValidateAuthorizationPolicyResponse:
        problems = self._grammar.examine(request.text, caller().tenant)
        return pb.ValidateAuthorizationPolicyResponse(
            valid=not problems,
            problems=[pb.PolicyProblem(line=each.line, message=each.message) for each in problems],
        )

    async def ActivateAuthorizationPolicy(
        self, request: pb.ActivateAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        current, policy = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "ActivateAuthorizationPolicy", request)
        return _message(
            *await self._policies.activate(current.route, by, policy, request.etag, request.version)
        )

    async def RollbackAuthorizationPolicy(
        self, request: pb.RollbackAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        current, policy = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "RollbackAuthorizationPolicy", request)
        return _message(*await self._policies.roll_back(current.route, by, policy, request.etag))

    async def DeactivateAuthorizationPolicy(
        self, request: pb.DeactivateAuthorizationPolicyRequest, context: Context
    ) -> pb.AuthorizationPolicy:
        current, policy = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "DeactivateAuthorizationPolicy", request)
        return _message(*await self._policies.deactivate(current.route, by, policy, request.etag))

    async def DeleteAuthorizationPolicy(
        self, request: pb.DeleteAuthorizationPolicyRequest, context: Context
    ) -> empty_pb2.Empty:
        current, policy = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "DeleteAuthorizationPolicy", request)
        await self._policies.delete(current.route, by, policy, request.etag)
        return empty_pb2.Empty()

    async def SimulateAuthorizationPolicies(
        self, request: pb.SimulateAuthorizationPoliciesRequest, context: Context
    ) -> pb.SimulateAuthorizationPoliciesResponse:
        current = caller()
        since = _moment(request, "start_time")
        until = _moment(request, "end_time")
        trials: dict[str, str | None] = {}
        for place, trial in enumerate(request.trials):
            policy = resource_id(trial.name, COLLECTION, f"trials[{place}].name")
            if policy in trials:
                raise invalid(f"trials[{place}].name", "is tried already")
            trials[policy] = await self._tried(current, policy, trial, f"trials[{place}].text")
        outcome = await self._simulate(current.route, trials, since, until)
        names = current.may("ListAuditEntries")
        return _outcome(outcome, request.max_examples or _EXAMPLES, names=names)

    async def _tried(
        self, current: Caller, policy: str, trial: pb.PolicyTrial, field: str
    ) -> str | None:
        """The statement that would be active; None for none."""
        if trial.WhichOneof("change") == "inactive":
            return None
        if trial.WhichOneof("change") == "text":
            self._check(trial.text, current.tenant, field)
            return trial.text
        return await self._policies.text(current.route, policy, trial.version)

    def _check(self, text: str, tenant: str, field: str) -> None:
        """Raises InvalidRequest that says which lines are wrong, and why."""
        problems = self._grammar.examine(text, tenant)
        if problems:
            raise InvalidRequest(
                [FieldViolation(field, f"line {each.line}: {each.message}") for each in problems]
            )


def _moment(
    request: pb.SimulateAuthorizationPoliciesRequest, field: Literal["start_time", "end_time"]
) -> datetime | None:
    return moment(getattr(request, field), field) if request.HasField(field) else None


def _outcome(
    outcome: Outcome, examples: int, *, names: bool
) -> pb.SimulateAuthorizationPoliciesResponse:
    return pb.SimulateAuthorizationPoliciesResponse(
        decisions=outcome.decisions,
        distinct=outcome.distinct,
        newly_denied=outcome.count(False),
        newly_allowed=outcome.count(True),
        truncated=outcome.truncated,
        examples=[_changed(each, names=names) for each in outcome.changed[:examples]],
        oldest_time=timestamp(outcome.oldest) if outcome.oldest else None,
    )


def _changed(changed: Changed, *, names: bool) -> pb.ChangedDecision:
    return pb.ChangedDecision(
        principal=changed.question.actor if names else "",
        action=changed.question.action,
        resource=changed.question.about,
        allowed_now=changed.now.allowed,
        allowed_then=changed.then.allowed,
        policies_now=map(policy_name, changed.now.policies),
        policies_then=map(policy_name, changed.then.policies),
        count=changed.asked,
        last_time=timestamp(changed.last_at),
    )


def _size(version: Version) -> int:
    """Bytes, at most."""
    return 4 * (len(version.text) + len(version.description) + _SPARE)


def _message(policy: Policy, version: Version) -> pb.AuthorizationPolicy:
    state = version.state(policy.active_version)
    return pb.AuthorizationPolicy(
        name=f"{COLLECTION}/{policy.id}",
        text=version.text,
        description=version.description,
        version=version.number,
        state=pb.AuthorizationPolicyState.Value(f"AUTHORIZATION_POLICY_STATE_{state.name}"),
        active_version=policy.active_version or 0,
        latest_version=policy.latest_version,
        etag=policy.etag,
        create_time=timestamp(policy.created_at),
        update_time=timestamp(policy.updated_at),
        change_number=policy.number,
    )


def _version(policy: Policy, version: Version) -> pb.AuthorizationPolicyVersion:
    state = version.state(policy.active_version)
    activated = version.activated_at
    return pb.AuthorizationPolicyVersion(
        version=version.number,
        text=version.text,
        description=version.description,
        state=pb.AuthorizationPolicyState.Value(f"AUTHORIZATION_POLICY_STATE_{state.name}"),
        author=version.actor,
        create_time=timestamp(version.created_at),
        activate_time=timestamp(activated) if activated else None,
    )
