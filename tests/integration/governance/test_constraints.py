"""Policies and checks as those who write them and those who are judged meet them."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import constraints_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.suite import Metadata, Suite

TEAM = scope_pb2.Scope(team_id="payments")
CHECKOUT = scope_pb2.Scope(team_id="payments", project_id="checkout")


def rule(**values: Any) -> pb.Rule:
    defaults: dict[str, Any] = {
        "id": "no-requests",
        "operator": pb.RULE_OPERATOR_MUST_NOT_USE,
        "target": pb.RULE_TARGET_IMPORT,
        "pattern": "requests",
        "severity": pb.RULE_SEVERITY_BLOCK,
    }
    return pb.Rule(**{**defaults, **values})


def change_set(text: str = "import requests\n") -> pb.ChangeSet:
    return pb.ChangeSet(files=[pb.SourceFile(path="src/app.py", content=text)], derive=True)


@dataclass(frozen=True)
class Client:
    """Constraints as one caller sees them."""

    suite: Suite
    metadata: Metadata

    async def create(self, *rules: pb.Rule, **values: Any) -> pb.ConstraintPolicy:
        request_id = values.pop("request_id", str(uuid4()))
        defaults: dict[str, Any] = {"key": "http", "layer": pb.POLICY_LAYER_COMPANY}
        policy = pb.ConstraintPolicy(**{**defaults, **values}, rules=rules or [rule()])
        request = pb.CreateConstraintPolicyRequest(constraint_policy=policy, request_id=request_id)
        return await self.suite.constraints.CreateConstraintPolicy(request, metadata=self.metadata)

    async def update(self, policy: pb.ConstraintPolicy, *paths: str) -> pb.ConstraintPolicy:
        request = pb.UpdateConstraintPolicyRequest(constraint_policy=policy)
        request.update_mask.paths.extend(paths)
        return await self.suite.constraints.UpdateConstraintPolicy(request, metadata=self.metadata)

    async def delete(self, name: str, etag: str = "") -> None:
        request = pb.DeleteConstraintPolicyRequest(name=name, etag=etag)
        await self.suite.constraints.DeleteConstraintPolicy(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.ConstraintPolicy:
        request = pb.GetConstraintPolicyRequest(name=name)
        return await self.suite.constraints.GetConstraintPolicy(request, metadata=self.metadata)

    async def list(self, where: str = "") -> list[pb.ConstraintPolicy]:
        request = pb.ListConstraintPoliciesRequest(filter=where)
        answer = await self.suite.constraints.ListConstraintPolicies(
            request, metadata=self.metadata
        )
        return list(answer.constraint_policies)

    async def check(self, changes: pb.ChangeSet, **values: Any) -> pb.CheckConstraintsResponse:
        request = pb.CheckConstraintsRequest(change_set=changes, **values)
        return await self.suite.constraints.CheckConstraints(request, metadata=self.metadata)

    async def resolve(self, scope: scope_pb2.Scope) -> pb.ResolveConstraintsResponse:
        request = pb.ResolveConstraintsRequest(scope=scope)
        return await self.suite.constraints.ResolveConstraints(request, metadata=self.metadata)

    async def report(self, changes: pb.ChangeSet, **values: Any) -> pb.DriftReport:
        request = pb.CreateDriftReportRequest(state=changes, **values)
        return await self.suite.constraints.CreateDriftReport(request, metadata=self.metadata)

    async def suppress(self, seconds: int = 3600, **values: Any) -> pb.DriftSuppression:
        suppression = pb.DriftSuppression(**values, reason="Old code.")
        suppression.expire_time.GetCurrentTime()
        suppression.expire_time.seconds += seconds
        request = pb.CreateDriftSuppressionRequest(drift_suppression=suppression)
        return await self.suite.constraints.CreateDriftSuppression(request, metadata=self.metadata)


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_a_policy_judges_a_change_set(client: Client) -> None:
    policy = await client.create(rule(message="Use httpx."), title="HTTP", scope=TEAM, layer=3)

    verdict = await client.check(change_set("import os\nimport requests\n"), scope=CHECKOUT)

    assert not verdict.valid
    (violation,) = verdict.violations
    assert violation.rule.policy == policy.name
    assert violation.rule.layer == pb.POLICY_LAYER_TEAM
    assert (violation.path, violation.line) == ("src/app.py", 2)
    assert violation.message == "requests is not allowed: Use httpx."
    assert violation.severity == pb.RULE_SEVERITY_BLOCK
    assert (await client.check(change_set("import httpx\n"), scope=CHECKOUT)).valid
    elsewhere = scope_pb2.Scope(team_id="search")
    assert (await client.check(change_set(), scope=elsewhere)).judged_rules == 0


async def test_what_only_warns_leaves_a_change_set_valid(client: Client) -> None:
    await client.create(rule(severity=pb.RULE_SEVERITY_WARN))

    verdict = await client.check(change_set())

    assert verdict.valid
    assert len(verdict.violations) == 1


async def test_a_policy_is_read_as_it_was_written(client: Client) -> None:
    created = await client.create(
        rule(applies_to=["src/**"]), title="HTTP clients", mode=pb.POLICY_MODE_MANDATORY
    )

    assert await client.get(created.name) == created
    assert await client.list('mode = "mandatory" AND key = "http"') == [created]
    assert await client.list('mode = "optional"') == []
    assert created.author == "ann"
    assert created.version == 1
    assert created.rules[0].pattern_kind == pb.PATTERN_KIND_EXACT


async def test_a_change_needs_the_etag_that_it_names(client: Client) -> None:
    policy = await client.create()
    policy.rules[0].pattern = "urllib3"

    changed = await client.update(policy, "rules")

    assert (changed.version, changed.rules[0].pattern) == (2, "urllib3")
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.update(policy, "rules")
    with fails_with("VERSION_MISMATCH"):
        await client.delete(policy.name, policy.etag)
    await client.delete(policy.name, changed.etag)
    with fails_with("CONSTRAINT_POLICY_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await client.get(policy.name)


async def test_the_same_request_again_gets_the_first_policy(client: Client) -> None:
    request_id = str(uuid4())

    first, *others = await asyncio.gather(*(client.create(request_id=request_id) for _ in range(8)))

    assert others == [first] * 7
    assert len(await client.list()) == 1


async def test_one_of_many_that_create_the_same_policy_wins(client: Client) -> None:
    outcomes = await asyncio.gather(
        *(client.create(rule(id=f"r{each}")) for each in range(8)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.ConstraintPolicy) for each in outcomes) == 1
    assert len(await client.list()) == 1


async def test_different_policies_that_are_created_at_once_all_stand(client: Client) -> None:
    await asyncio.gather(*(client.create(key=f"k{each}") for each in range(4)))

    assert len(await client.list()) == 4


REGEX, GLOB = pb.PATTERN_KIND_REGEX, pb.PATTERN_KIND_GLOB


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"id": "No"}, "id"),
        ({"operator": 0}, "operator"),
        ({"target": 0}, "target"),
        ({"severity": 0}, "severity"),
        ({"pattern": ""}, "pattern"),
        ({"pattern": "(a", "pattern_kind": REGEX}, "pattern"),
        ({"pattern": "(?=a)", "pattern_kind": REGEX}, "pattern"),
        ({"pattern": "[a", "pattern_kind": GLOB}, "pattern"),
        ({"target": pb.RULE_TARGET_CODE, "pattern_kind": GLOB}, "pattern_kind"),
        ({"target": pb.RULE_TARGET_DEPENDENCY, "versions": ">=2,<1"}, "versions"),
        ({"versions": ">=2"}, "versions"),
        ({"value": "x"}, "value"),
        ({"applies_to": ["{a"]}, "applies_to[0]"),
        ({"pattern": "a\x00b"}, "pattern"),
    ],
)
async def test_a_bad_rule_is_refused_with_its_field(
    client: Client, bad: dict[str, Any], field: str
) -> None:
    with fails_with("INVALID_REQUEST", f"constraint_policy.rules[0].{field}"):
        await client.create(rule(**bad))

    assert await client.list() == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"key": "A b"}, "constraint_policy.key"),
        ({"layer": pb.POLICY_LAYER_TEAM}, "constraint_policy.scope.team_id"),
        ({"scope": scope_pb2.Scope(team_id="t")}, "constraint_policy.scope.team_id"),
        ({"layer": 0}, "constraint_policy.layer"),
    ],
)
async def test_a_bad_place_is_refused_with_its_field(
    client: Client, values: dict[str, Any], field: str
) -> None:
    with fails_with("INVALID_REQUEST", field):
        await client.create(**values)


MANDATORY: dict[str, Any] = {"mode": pb.POLICY_MODE_MANDATORY}
BELOW: dict[str, Any] = {"layer": pb.POLICY_LAYER_TEAM, "scope": TEAM}


@pytest.mark.parametrize("merge", [pb.POLICY_MERGE_OVERRIDE, pb.POLICY_MERGE_INTERSECT])
async def test_a_mandatory_policy_cannot_be_replaced_from_below(client: Client, merge: Any) -> None:
    await client.create(**MANDATORY)

    with fails_with("MANDATORY_POLICY"):
        await client.create(rule(id="other"), **BELOW, merge=merge)


async def test_a_rule_of_a_mandatory_policy_cannot_be_weakened_from_below(client: Client) -> None:
    await client.create(**MANDATORY)

    with fails_with("MANDATORY_POLICY"):
        await client.create(rule(severity=pb.RULE_SEVERITY_INFO), **BELOW)
    more = await client.create(rule(id="other", pattern="urllib3"), **BELOW)

    with fails_with("MANDATORY_POLICY"):
        weaker = pb.ConstraintPolicy(name=more.name, merge=pb.POLICY_MERGE_OVERRIDE)
        await client.update(weaker, "merge")
    assert len((await client.resolve(CHECKOUT)).rules) == 2


async def test_a_policy_that_becomes_mandatory_holds_against_those_below(client: Client) -> None:
    above = await client.create()
    await client.create(rule(pattern="urllib3"), **BELOW)
    before = await client.resolve(CHECKOUT)
    assert [each.rule.pattern for each in before.rules] == ["urllib3"]
    assert [each.fate for each in before.dropped] == [pb.RULE_FATE_REPLACED]

    await client.update(pb.ConstraintPolicy(name=above.name, **MANDATORY), "mode")

    after = await client.resolve(CHECKOUT)
    assert [each.rule.pattern for each in after.rules] == ["requests"]
    assert [each.origin.mandatory for each in after.rules] == [True]
    assert [(each.fate, each.by) for each in after.dropped] == [
        (pb.RULE_FATE_MANDATORY, above.name)
    ]


USE_REQUESTS = {"id": "use", "operator": pb.RULE_OPERATOR_MUST_USE}


async def test_a_contradiction_is_told_and_against_a_mandatory_policy_refused(
    client: Client,
) -> None:
    await client.create()

    warned = await client.create(rule(**USE_REQUESTS), key="clients")

    (conflict,) = warned.conflicts
    assert conflict.kind == pb.CONFLICT_KIND_DEMANDED_AND_FORBIDDEN
    assert (conflict.one.key, conflict.other.key) == ("clients", "http")
    request = pb.ListConstraintConflictsRequest()
    listed = await client.suite.constraints.ListConstraintConflicts(
        request, metadata=client.metadata
    )
    assert len(listed.conflicts) == 1
    await client.create(rule(id="firm", pattern="urllib3"), key="firm", **MANDATORY)
    with fails_with("CONSTRAINT_CONFLICT", code=grpc.StatusCode.FAILED_PRECONDITION):
        await client.create(rule(**USE_REQUESTS, pattern="urllib3"), key="more", **BELOW)


async def test_a_policy_that_contradicts_itself_is_refused(client: Client) -> None:
    with fails_with("CONSTRAINT_CONFLICT"):
        await client.create(rule(), rule(**USE_REQUESTS))


async def test_a_check_that_would_take_too_long_is_refused(client: Client) -> None:
    code = [
        rule(id=f"r{each}", target=pb.RULE_TARGET_CODE, pattern=f"x{each}") for each in range(200)
    ]
    await client.create(*code)
    files = [pb.SourceFile(path="a", content="x" * 3_500_000)]

    with fails_with("CHECK_TOO_LARGE"):
        await client.check(pb.ChangeSet(files=files))


async def test_those_who_may_not_review_may_not_change_policies(client: Client) -> None:
    developer = Client(client.suite, client.suite.auth("acme", "dan", (Role.DEVELOPER,)))

    with fails_with("PERMISSION_DENIED"):
        await developer.create()
    assert (await developer.check(change_set())).valid


async def test_two_reports_tell_what_is_new_and_what_is_resolved(client: Client) -> None:
    await client.create(rule(), rule(id="no-os", pattern="os", severity=pb.RULE_SEVERITY_WARN))
    first = await client.report(change_set("import requests\n"), scope=CHECKOUT)

    second = await client.report(change_set("\n\nimport os\n"), scope=CHECKOUT)

    assert first.previous == ""
    assert first.score == pytest.approx(1 / 1.5)
    assert first.drifted
    assert [each.rule for each in first.new_findings] == ["no-requests"]
    assert second.previous == first.name
    assert [each.rule for each in second.new_findings] == ["no-os"]
    assert [each.rule for each in second.resolved_findings] == ["no-requests"]
    assert second.score == pytest.approx(0.5 / 1.5)
    request = pb.GetDriftReportRequest(name=first.name)
    got = await client.suite.constraints.GetDriftReport(request, metadata=client.metadata)
    assert got == first
    other = await client.report(change_set(), scope=TEAM)
    assert other.previous == ""


async def test_a_finding_that_moved_in_its_file_is_not_new(client: Client) -> None:
    await client.create()
    await client.report(change_set("import requests\n"))

    moved = await client.report(change_set("import os\nimport requests\n"))

    assert (list(moved.new_findings), list(moved.resolved_findings)) == ([], [])
    assert moved.findings[0].line == 2


async def test_policies_that_were_not_adopted_or_have_changed_are_told(client: Client) -> None:
    firm = await client.create(**MANDATORY)
    loose = await client.create(rule(id="r", pattern="urllib3"), key="loose")
    await client.update(pb.ConstraintPolicy(name=loose.name, title="New"), "title")
    adopted = [pb.AdoptedPolicy(policy=loose.name, version=1)]

    report = await client.report(change_set("import os\n"), adopted=adopted)

    assert list(report.missing_policies) == [firm.name]
    assert list(report.stale_policies) == [loose.name]
    assert report.score == pytest.approx(1.5 / 3.5)
    assert (await client.report(change_set("import os\n"))).score == 0


async def test_a_suppressed_finding_does_not_count_until_it_expires(client: Client) -> None:
    policy = await client.create()
    suppression = await client.suppress(pattern="http/no-requests src/")

    report = await client.report(change_set())

    assert (report.score, report.suppressed, list(report.findings)) == (0, 1, [])
    delete = pb.DeleteDriftSuppressionRequest(name=suppression.name)
    await client.suite.constraints.DeleteDriftSuppression(delete, metadata=client.metadata)
    assert (await client.report(change_set())).score == 1
    await client.suppress(policy=policy.name)
    assert (await client.report(change_set())).suppressed == 1
    async with client.suite.database.connect() as superuser:
        await superuser.execute("UPDATE aeterna.drift_suppression SET expires_at = now()")
    assert (await client.report(change_set())).suppressed == 0


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"pattern": "(", "seconds": 60}, "pattern"),
        ({"pattern": "a", "seconds": -60}, "expire_time"),
        ({"pattern": "a", "seconds": 400 * 86_400}, "expire_time"),
        ({"seconds": 60}, "policy"),
    ],
)
async def test_a_bad_suppression_is_refused(
    client: Client, values: dict[str, Any], field: str
) -> None:
    with fails_with("INVALID_REQUEST", f"drift_suppression.{field}"):
        await client.suppress(**values)


async def test_nothing_of_a_policy_is_readable_in_the_database(client: Client) -> None:
    canary = uuid4().hex
    await client.create(rule(pattern=canary, message=canary), title=canary)
    await client.report(change_set(f"import {canary}\n"))
    await client.suppress(pattern=canary)

    async with client.suite.database.connect() as superuser:
        for table in ("constraint_policy", "drift_report", "drift_suppression", "change"):
            rows = await superuser.fetch(f"SELECT t::text AS text FROM aeterna.{table} AS t")
            assert rows
            assert not any(
                canary in row["text"] or canary.encode().hex() in row["text"] for row in rows
            )
