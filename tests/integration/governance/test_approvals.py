"""Approvals as those who ask and those who decide meet them; and knowledge, which obeys."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import approvals_pb2 as pb
from aeterna.governance.v1 import audit_pb2
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from libs.auth import Role
from libs.tenancy import TenantId
from tests.errors import fails_with, reason_of
from tests.eventually import eventually
from tests.integration.governance.support import broken
from tests.suite import Metadata, Suite

PENDING, APPROVED, APPLIED = 1, 2, 3
TEAM = scope_pb2.Scope(team_id="payments")


@dataclass(frozen=True)
class Person:
    """The suite as one person sees it."""

    suite: Suite
    metadata: Metadata

    async def ask(self, **values: Any) -> pb.ApprovalRequest:
        request_id = values.pop("request_id", str(uuid4()))
        defaults: dict[str, Any] = {
            "kind": pb.APPROVAL_KIND_POLICY,
            "target": f"things/{uuid4()}",
            "title": "Please",
        }
        asked = pb.ApprovalRequest(**{**defaults, **values})
        request = pb.CreateApprovalRequestRequest(approval_request=asked, request_id=request_id)
        return await self.suite.approvals.CreateApprovalRequest(request, metadata=self.metadata)

    async def approve(self, asked: pb.ApprovalRequest, **values: Any) -> pb.ApprovalRequest:
        request = pb.ApproveApprovalRequestRequest(name=asked.name, **values)
        return await self.suite.approvals.ApproveApprovalRequest(request, metadata=self.metadata)

    async def reject(self, asked: pb.ApprovalRequest, comment: str = "No") -> pb.ApprovalRequest:
        request = pb.RejectApprovalRequestRequest(name=asked.name, comment=comment)
        return await self.suite.approvals.RejectApprovalRequest(request, metadata=self.metadata)

    async def withdraw(self, asked: pb.ApprovalRequest) -> pb.ApprovalRequest:
        request = pb.WithdrawApprovalRequestRequest(name=asked.name)
        return await self.suite.approvals.WithdrawApprovalRequest(request, metadata=self.metadata)

    async def apply(self, asked: pb.ApprovalRequest, digest: str = "") -> pb.ApprovalRequest:
        request = pb.ApplyApprovalRequestRequest(name=asked.name, payload_digest=digest)
        return await self.suite.approvals.ApplyApprovalRequest(request, metadata=self.metadata)

    async def get(self, asked: pb.ApprovalRequest) -> pb.ApprovalRequest:
        request = pb.GetApprovalRequestRequest(name=asked.name)
        return await self.suite.approvals.GetApprovalRequest(request, metadata=self.metadata)

    async def search(self, where: str = "") -> Sequence[pb.ApprovalRequest]:
        request = pb.ListApprovalRequestsRequest(filter=where)
        answer = await self.suite.approvals.ListApprovalRequests(request, metadata=self.metadata)
        return answer.approval_requests

    async def delegate(self, to: str, seconds: int = 3600) -> pb.ApprovalDelegation:
        delegation = pb.ApprovalDelegation(delegate=to)
        delegation.expire_time.GetCurrentTime()
        delegation.expire_time.seconds += seconds
        request = pb.CreateApprovalDelegationRequest(approval_delegation=delegation)
        return await self.suite.approvals.CreateApprovalDelegation(request, metadata=self.metadata)

    async def configure(self, **values: Any) -> pb.ApprovalConfig:
        request = pb.SetApprovalConfigRequest(approval_config=pb.ApprovalConfig(**values))
        return await self.suite.approvals.SetApprovalConfig(request, metadata=self.metadata)

    async def configured(self, scope: scope_pb2.Scope) -> pb.ApprovalConfig:
        request = pb.GetApprovalConfigRequest(scope=scope)
        return await self.suite.approvals.GetApprovalConfig(request, metadata=self.metadata)

    async def propose(self, content: str = "At most 20.", **values: Any) -> kb.KnowledgeItem:
        defaults: dict[str, Any] = {
            "kind": kb.KNOWLEDGE_KIND_ADR,
            "layer": kb.KNOWLEDGE_LAYER_COMPANY,
            "title": "Pools",
        }
        item = kb.KnowledgeItem(**{**defaults, **values}, content=content)
        create = kb.CreateKnowledgeItemRequest(knowledge_item=item)
        draft = await self.suite.knowledge.CreateKnowledgeItem(create, metadata=self.metadata)
        propose = kb.ProposeKnowledgeItemRequest(name=draft.name)
        return await self.suite.knowledge.ProposeKnowledgeItem(propose, metadata=self.metadata)

    async def accept(self, item: kb.KnowledgeItem) -> kb.KnowledgeItem:
        request = kb.AcceptKnowledgeItemRequest(name=item.name)
        return await self.suite.knowledge.AcceptKnowledgeItem(request, metadata=self.metadata)

    async def item(self, item: kb.KnowledgeItem) -> kb.KnowledgeItem:
        request = kb.GetKnowledgeItemRequest(name=item.name)
        return await self.suite.knowledge.GetKnowledgeItem(request, metadata=self.metadata)

    async def events(self, name: str) -> list[str]:
        request = audit_pb2.ListAuditEntriesRequest(filter=f'resource = "{name}"')
        answer = await self.suite.audit.ListAuditEntries(request, metadata=self.metadata)
        return [each.event for each in answer.entries]


@dataclass(frozen=True)
class Company:
    """The people of a tenant."""

    suite: Suite
    ann: Person  # an administrator, who asks

    def lead(self, name: str) -> Person:
        return self.person(name, Role.TECH_LEAD)

    def person(self, name: str, *roles: Role) -> Person:
        return Person(self.suite, self.suite.auth("acme", name, roles))

    def agent_of(self, name: str) -> Person:
        token = self.suite.issuer.mint(
            TenantId("acme"),
            name,
            [Role.TECH_LEAD],
            agent="helper",
            capabilities=["governance:submit", "governance:read"],
        )
        return Person(self.suite, (("authorization", f"Bearer {token}"),))


@pytest.fixture
async def company(suite: Suite) -> Company:
    return Company(suite, Person(suite, await suite.create_tenant("acme")))


async def test_a_quorum_approves(company: Company) -> None:
    asked = await company.ann.ask(description="Why", risk=pb.APPROVAL_RISK_HIGH, scope=TEAM)
    assert (asked.state, asked.needed, asked.requester) == (PENDING, 2, "ann")
    assert list(asked.excluded) == ["ann"]

    once = await company.lead("bob").approve(asked, comment="Good.")
    assert once.state == PENDING
    twice = await company.lead("cat").approve(asked)

    assert twice.state == APPROVED
    assert [(each.approver, each.comment) for each in twice.decisions] == [
        ("bob", "Good."),
        ("cat", ""),
    ]
    assert await company.ann.get(asked) == twice
    assert list(await company.ann.search('state = "approved" AND risk = "high"')) == [twice]
    assert await company.ann.events(asked.name) == ["", "approval.decided", "approval.approved"]
    assert (await company.ann.apply(asked)).state == APPLIED
    with fails_with("NOT_APPROVED"):
        await company.ann.apply(asked)


async def test_nobody_approves_his_own_nor_his_agent_nor_a_delegate(company: Company) -> None:
    asked = await company.ann.ask()
    await company.ann.delegate("eve")

    with fails_with("SELF_APPROVAL", code=grpc.StatusCode.PERMISSION_DENIED):
        await company.ann.approve(asked)
    with fails_with("PERMISSION_DENIED"):
        await company.agent_of("ann").approve(asked)
    with fails_with("PERMISSION_DENIED"):
        await company.agent_of("bob").approve(asked)
    with fails_with("SELF_APPROVAL"):
        await company.person("eve", Role.DEVELOPER).approve(asked)
    with fails_with("NOT_AN_APPROVER"):
        await company.person("dan", Role.DEVELOPER).approve(asked)
    assert not (await company.ann.get(asked)).decisions


async def test_what_an_agent_asked_for_is_its_person_s_own(company: Company) -> None:
    asked = await company.agent_of("bob").ask()

    assert (asked.requester, asked.requester_agent) == ("bob", "helper")
    with fails_with("SELF_APPROVAL"):
        await company.lead("bob").approve(asked)


async def test_a_right_that_was_passed_on_is_used_once(company: Company) -> None:
    asked = await company.ann.ask()
    delegation = await company.lead("bob").delegate("eve")
    eve = company.person("eve", Role.DEVELOPER)

    once = await eve.approve(asked)

    assert [(each.approver, each.holder) for each in once.decisions] == [("eve", "bob")]
    with fails_with("ALREADY_DECIDED", code=grpc.StatusCode.ALREADY_EXISTS):
        await company.lead("bob").approve(asked)
    delete = pb.DeleteApprovalDelegationRequest(name=delegation.name)
    with fails_with("APPROVAL_DELEGATION_NOT_FOUND"):
        await company.suite.approvals.DeleteApprovalDelegation(delete, metadata=eve.metadata)
    await company.suite.approvals.DeleteApprovalDelegation(
        delete, metadata=company.lead("bob").metadata
    )
    with fails_with("NOT_AN_APPROVER"):
        await eve.approve(await company.ann.ask())


async def test_many_who_decide_at_once_decide_once_each(company: Company) -> None:
    """Ten people, each eight times at the same moment, on a request that takes five."""
    await company.ann.configure(mode=pb.APPROVAL_MODE_QUORUM, quorum=5)
    asked = await company.ann.ask()
    people = [company.lead(f"p{each}") for each in range(10)]

    outcomes = await asyncio.gather(
        *(person.approve(asked) for person in people for _ in range(8)), return_exceptions=True
    )

    decided = [each for each in outcomes if isinstance(each, pb.ApprovalRequest)]
    refused = {reason_of(each) for each in outcomes if isinstance(each, grpc.aio.AioRpcError)}
    after = await company.ann.get(asked)
    assert len(decided) == 5
    assert refused <= {"ALREADY_DECIDED", "APPROVAL_NOT_PENDING"}
    assert after.state == APPROVED
    assert len({each.approver for each in after.decisions}) == len(after.decisions) == 5
    events = await company.ann.events(asked.name)
    assert events == ["", *["approval.decided"] * 4, "approval.approved"]


async def test_approvals_and_rejections_at_once_end_in_one_of_them(company: Company) -> None:
    for _ in range(5):
        asked = await company.ann.ask()
        people = [company.lead(f"p{each}") for each in range(6)]

        outcomes = await asyncio.gather(
            *(
                person.approve(asked) if place % 2 else person.reject(asked)
                for place, person in enumerate(people)
            ),
            return_exceptions=True,
        )

        after = await company.ann.get(asked)
        made = [each for each in outcomes if isinstance(each, pb.ApprovalRequest)]
        assert len(made) == len(after.decisions)
        rejections = [each for each in after.decisions if not each.approves]
        rejected = after.state == pb.APPROVAL_STATE_REJECTED
        assert len(rejections) == rejected
        assert rejected or len(after.decisions) == 2


async def test_the_database_itself_refuses_a_second_decision(company: Company) -> None:
    asked = await company.ann.ask()
    await company.lead("bob").approve(asked)

    async with company.suite.database.connect() as superuser:
        for approver, holder in (("bob", "eve"), ("eve", "bob")):
            with pytest.raises(asyncpg.UniqueViolationError):
                await superuser.execute(
                    "INSERT INTO aeterna.approval_decision SELECT tenant_id, request_id, $1, $2,"
                    " gen_random_uuid(), approves, comment, created_at"
                    " FROM aeterna.approval_decision",
                    approver,
                    holder,
                )


async def test_numbers_have_no_gaps_whoever_asks_at_once(company: Company) -> None:
    people = [company.lead(f"p{each}") for each in range(5)]
    config = await company.ann.configure(
        mode=pb.APPROVAL_MODE_UNANIMOUS, quorum=2, scope=TEAM, approvers=["ann", "bob"]
    )
    assert config.etag

    outcomes = await asyncio.gather(
        *(person.ask() for person in people for _ in range(6)),
        *(company.ann.ask(scope=TEAM) for _ in range(6)),
        return_exceptions=True,
    )

    numbers = sorted(each.number for each in outcomes if isinstance(each, pb.ApprovalRequest))
    year = datetime.now(UTC).year
    assert numbers == [f"REQ-{year}-{serial:04}" for serial in range(1, 31)]
    refused = {reason_of(each) for each in outcomes if isinstance(each, grpc.aio.AioRpcError)}
    assert refused == {"TOO_FEW_APPROVERS"}


async def test_the_same_request_again_gets_the_first_answer(company: Company) -> None:
    request_id, target = str(uuid4()), "things/1"
    asked = await company.ann.ask(request_id=request_id, target=target)

    assert await company.ann.ask(request_id=request_id, target=target) == asked
    with fails_with("APPROVAL_REQUEST_PENDING"):
        await company.ann.ask(target=target)
    bob, decision = company.lead("bob"), str(uuid4())
    first = await bob.approve(asked, request_id=decision)
    assert await bob.approve(asked, request_id=decision) == first


async def test_a_rejection_ends_a_request(company: Company) -> None:
    asked = await company.ann.ask()

    rejected = await company.lead("bob").reject(asked, "Too many.")

    assert rejected.state == pb.APPROVAL_STATE_REJECTED
    assert rejected.decisions[0].comment == "Too many."
    with fails_with("APPROVAL_NOT_PENDING"):
        await company.lead("cat").approve(asked)
    with fails_with("APPROVAL_NOT_PENDING"):
        await company.ann.withdraw(asked)


async def test_who_asked_takes_it_back(company: Company) -> None:
    asked = await company.lead("bob").ask()

    with fails_with("NOT_THE_REQUESTER"):
        await company.lead("cat").withdraw(asked)
    withdrawn = await company.lead("bob").withdraw(asked)

    assert withdrawn.state == pb.APPROVAL_STATE_WITHDRAWN


async def test_time_escalates_and_expires_requests_and_tells(company: Company) -> None:
    await company.ann.configure(approvers=["bob", "cat"], mode=pb.APPROVAL_MODE_SINGLE)
    asked = await company.ann.ask()
    admin = company.person("eve", Role.ADMIN)
    with fails_with("NOT_AN_APPROVER"):
        await admin.approve(asked)

    await _later(company.suite, asked, "escalates_at", "due_at")
    await eventually(lambda: _is(company, asked, escalated=True))
    other = await company.ann.ask()
    await _later(company.suite, other, "escalates_at", "expires_at", "due_at")
    await eventually(lambda: _is(company, other, state=pb.APPROVAL_STATE_EXPIRED))

    assert (await admin.approve(asked)).state == APPROVED
    with fails_with("APPROVAL_NOT_PENDING"):
        await company.lead("bob").approve(other)
    assert await company.ann.events(asked.name) == [
        "",
        "approval.escalated",
        "approval.approved",
    ]
    assert await company.ann.events(other.name) == ["", "approval.expired"]
    async with company.suite.database.connect() as superuser:
        alerts = await superuser.fetch("SELECT kind FROM aeterna.alert ORDER BY kind")
    assert [each["kind"] for each in alerts] == ["approval.escalated", "approval.expired"]


async def _later(suite: Suite, asked: pb.ApprovalRequest, *columns: str) -> None:
    """As if so much time had passed."""
    changed = ", ".join(f"{column} = now() - interval '1 second'" for column in columns)
    async with suite.database.connect() as superuser:
        await superuser.execute(
            f"UPDATE aeterna.approval_request SET {changed} WHERE id = $1",
            asked.name.partition("/")[2],
        )


async def _is(company: Company, asked: pb.ApprovalRequest, **values: Any) -> bool:
    found = await company.ann.get(asked)
    return all(getattr(found, name) == value for name, value in values.items())


async def test_the_nearest_configuration_counts(company: Company) -> None:
    project = scope_pb2.Scope(team_id="payments", project_id="checkout")
    default = await company.ann.configured(project)
    assert (default.etag, default.quorum, default.timeout.seconds) == ("", 2, 72 * 3600)
    firm = await company.ann.configure(preset=pb.APPROVAL_PRESET_STRICT)
    own = await company.ann.configure(preset=pb.APPROVAL_PRESET_PERMISSIVE, scope=TEAM)

    assert (await company.ann.configured(project)) == own
    assert (await company.ann.configured(scope_pb2.Scope(team_id="search"))) == firm
    assert (firm.quorum, firm.timeout.seconds, firm.escalate_after.seconds) == (3, 86_400, 43_200)
    assert (await company.ann.ask(scope=project)).needed == 1
    low = await company.ann.ask(scope=project, risk=pb.APPROVAL_RISK_LOW)
    assert (low.state, list(low.decisions)) == (APPROVED, [])
    with fails_with("VERSION_MISMATCH"):
        await company.ann.configure(scope=TEAM, etag='"7"')
    with fails_with("PERMISSION_DENIED"):
        await company.lead("bob").configure()
    delete = pb.DeleteApprovalConfigRequest(scope=TEAM)
    await company.suite.approvals.DeleteApprovalConfig(delete, metadata=company.ann.metadata)
    assert (await company.ann.configured(project)) == firm


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mode": pb.APPROVAL_MODE_SINGLE, "quorum": 2}, "quorum"),
        ({"quorum": 3, "approvers": ["bob"]}, "approvers"),
        ({"scope": scope_pb2.Scope(user_id="u")}, "scope.user_id"),
    ],
)
async def test_a_bad_configuration_is_refused(
    company: Company, values: dict[str, Any], field: str
) -> None:
    with fails_with("INVALID_REQUEST", f"approval_config.{field}"):
        await company.ann.configure(**values)


async def test_unanimity_is_of_those_who_are_bound_to_the_role(company: Company) -> None:
    await company.ann.configure(preset=pb.APPROVAL_PRESET_STRICT)
    with fails_with("TOO_FEW_APPROVERS"):
        await company.ann.ask()
    async with company.suite.database.connect() as superuser:
        for name in ("bob", "cat", "dan"):
            await superuser.execute(
                "INSERT INTO aeterna.role_binding (tenant_id, id, user_id, role, org_id, team_id,"
                " project_id, actor, number, created_at) VALUES ('acme', gen_random_uuid(), $1,"
                " 'architect', '', '', '', 'user:root', 1, now())",
                name,
            )

    asked = await company.ann.ask()

    assert list(asked.approvers) == ["bob", "cat", "dan"]
    for name in ("bob", "cat"):
        assert (await company.person(name, Role.ARCHITECT).approve(asked)).state == PENDING
    assert (await company.person("dan", Role.ARCHITECT).approve(asked)).state == APPROVED


async def test_a_role_counts_where_it_is_bound(company: Company) -> None:
    async with company.suite.database.connect() as superuser:
        await superuser.execute(
            "INSERT INTO aeterna.role_binding (tenant_id, id, user_id, role, org_id, team_id,"
            " project_id, actor, number, created_at) VALUES ('acme', gen_random_uuid(), 'eve',"
            " 'tech_lead', '', 'payments', '', 'user:root', 1, now())"
        )
        await superuser.execute("INSERT INTO aeterna.authorization_state VALUES ('acme', 1)")
    eve = company.person("eve", Role.DEVELOPER)

    with fails_with("NOT_AN_APPROVER"):
        await eve.approve(await company.ann.ask())
    assert (await eve.approve(await company.ann.ask(scope=TEAM))).decisions


REQUIRED: dict[str, Any] = {
    "mode": pb.APPROVAL_MODE_SINGLE,
    "required_kinds": [pb.APPROVAL_KIND_KNOWLEDGE],
}


def about(item: kb.KnowledgeItem) -> dict[str, Any]:
    return {
        "kind": pb.APPROVAL_KIND_KNOWLEDGE,
        "target": item.name,
        "target_version": item.version,
    }


async def test_knowledge_is_accepted_by_an_approved_request_only(company: Company) -> None:
    free = await company.lead("bob").propose()
    await company.lead("cat").accept(free)
    await company.ann.configure(**REQUIRED)
    item = await company.lead("bob").propose()

    with fails_with("APPROVAL_REQUIRED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await company.lead("cat").accept(item)
    asked = await company.lead("dan").ask(**about(item))
    with fails_with("SELF_APPROVAL"):  # he wrote it
        await company.lead("bob").approve(asked)
    approved = await company.lead("cat").approve(asked)

    assert approved.state in (APPROVED, APPLIED)
    await eventually(lambda: _is(company, asked, state=APPLIED))
    accepted = await company.ann.item(item)
    assert accepted.status == kb.KNOWLEDGE_STATUS_ACCEPTED
    assert accepted.version == item.version + 1
    assert await company.ann.events(asked.name) == ["", "approval.approved", "approval.applied"]


async def test_an_approval_is_for_one_version(company: Company) -> None:
    await company.ann.configure(**REQUIRED)
    item = await company.lead("bob").propose()
    asked = await company.lead("dan").ask(**{**about(item), "target_version": 7})

    await company.lead("cat").approve(asked)

    await eventually(lambda: _is(company, asked, state=pb.APPROVAL_STATE_FAILED))
    assert (await company.ann.get(asked)).error == "VERSION_MISMATCH"
    with fails_with("APPROVAL_REQUIRED"):
        await company.lead("cat").accept(item)
    with fails_with("APPROVAL_TARGET_NOT_FOUND"):
        await company.ann.ask(**{**about(item), "target": f"knowledgeItems/{uuid4()}"})


async def test_only_the_scope_that_asks_for_approvals_needs_them(company: Company) -> None:
    await company.ann.configure(scope=TEAM, **REQUIRED)
    own = await company.lead("bob").propose(scope=TEAM, layer=kb.KNOWLEDGE_LAYER_TEAM)
    other = await company.lead("bob").propose()

    await company.lead("cat").accept(other)
    with fails_with("APPROVAL_REQUIRED"):
        await company.lead("cat").accept(own)


async def test_a_request_is_decided_where_its_target_is(company: Company) -> None:
    """Not where it is easier."""
    await company.ann.configure(scope=TEAM, **REQUIRED)
    await company.ann.configure(preset=pb.APPROVAL_PRESET_PERMISSIVE)
    item = await company.lead("bob").propose(scope=TEAM, layer=kb.KNOWLEDGE_LAYER_TEAM)
    dan = company.lead("dan")

    for scope in (scope_pb2.Scope(), scope_pb2.Scope(team_id="payments", project_id="p")):
        with fails_with("INVALID_REQUEST", "approval_request.scope"):
            await dan.ask(**about(item), scope=scope, risk=pb.APPROVAL_RISK_LOW)
    asked = await dan.ask(**about(item), scope=TEAM)
    async with company.suite.database.connect() as superuser:  # as one of before stands there
        await superuser.execute("UPDATE aeterna.approval_request SET team_id = ''")
    await company.lead("cat").approve(asked)

    await eventually(lambda: _is(company, asked, state=pb.APPROVAL_STATE_FAILED))
    assert (await company.ann.get(asked)).error == "APPROVAL_REQUIRED"
    assert (await company.ann.item(item)).status == kb.KNOWLEDGE_STATUS_PROPOSED
    again = await dan.ask(**about(item), scope=TEAM)
    await company.lead("cat").approve(again)
    await eventually(lambda: _is(company, again, state=APPLIED))


async def test_what_was_approved_is_applied_once_after_a_crash(company: Company) -> None:
    """The database ends whoever applies it, until it is well again."""
    await company.ann.configure(**REQUIRED)
    item = await company.lead("bob").propose()
    asked = await company.lead("dan").ask(**about(item))
    condition = "NEW.status = 'accepted'"

    async with broken(
        company.suite.database, "aeterna.knowledge_item", "UPDATE", condition=condition, late=True
    ):
        approved = await company.lead("cat").approve(asked)
        assert approved.state == APPROVED
        await asyncio.sleep(1.5)
        assert (await company.ann.item(item)).status == kb.KNOWLEDGE_STATUS_PROPOSED
        assert (await company.ann.get(asked)).state == APPROVED

    await eventually(lambda: _is(company, asked, state=APPLIED))
    assert (await company.ann.item(item)).version == item.version + 1
    events = await company.ann.events(asked.name)
    assert events == ["", "approval.approved", "approval.applied"]


async def test_who_accepts_by_hand_and_the_worker_apply_it_once(company: Company) -> None:
    await company.ann.configure(**REQUIRED)
    for _ in range(4):
        item = await company.lead("bob").propose()
        asked = await company.lead("dan").ask(**about(item))
        await company.lead("cat").approve(asked)

        outcomes = await asyncio.gather(
            *(company.lead("cat").accept(item) for _ in range(4)), return_exceptions=True
        )

        await eventually(lambda asked=asked: _is(company, asked, state=APPLIED))  # type: ignore[misc]
        assert sum(isinstance(each, kb.KnowledgeItem) for each in outcomes) <= 1
        assert (await company.ann.item(item)).version == item.version + 1
        assert (await company.ann.events(asked.name)).count("approval.applied") == 1


async def test_nothing_of_a_request_is_readable_in_the_database(company: Company) -> None:
    canary = uuid4().hex
    asked = await company.ann.ask(title=canary, description=canary)
    await company.lead("bob").approve(asked, comment=canary)

    async with company.suite.database.connect() as superuser:
        for table in ("approval_request", "approval_decision", "change", "request"):
            rows = await superuser.fetch(f"SELECT t::text AS text FROM aeterna.{table} AS t")
            assert rows
            assert not any(
                canary in row["text"] or canary.encode().hex() in row["text"] for row in rows
            )


async def test_another_tenant_sees_no_request(company: Company) -> None:
    asked = await company.ann.ask()
    stranger = Person(company.suite, await company.suite.create_tenant("bolt"))

    with fails_with("APPROVAL_REQUEST_NOT_FOUND"):
        await stranger.get(asked)
    with fails_with("APPROVAL_REQUEST_NOT_FOUND"):
        await replace(stranger).approve(asked)
    assert not await stranger.search()
