"""Consent, as people and administrators meet it, and as memory and knowledge heed it."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.governance.v1 import consent_pb2 as pb
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from libs.auth import Role
from tests.errors import fails_with
from tests.eventually import eventually
from tests.integration.privacy.people import ANN, People


class Consenting:
    """One tenant's consents."""

    def __init__(self, people: People) -> None:
        self.people, self.stub = people, people.suite.consents

    async def require(self, version: int = 0, **values: Any) -> pb.ConsentPolicy:
        policy = pb.ConsentPolicy(name="consentPolicy", version=version, **values)
        request = pb.UpdateConsentPolicyRequest(consent_policy=policy)
        request.update_mask.paths.extend(values)
        changed = await self.stub.UpdateConsentPolicy(request, metadata=self.people.admin)
        await asyncio.sleep(1.1)  # services follow within a second
        return changed

    async def grant(self, purpose: str, subject: str = ANN, **values: Any) -> pb.Consent:
        request = pb.GrantConsentRequest(
            subject=subject, purpose=purpose, request_id=str(uuid4()), **values
        )
        return await self.stub.GrantConsent(request, metadata=self.people.admin)

    async def withdraw(self, purpose: str, subject: str = ANN) -> pb.Consent:
        request = pb.WithdrawConsentRequest(subject=subject, purpose=purpose)
        return await self.stub.WithdrawConsent(request, metadata=self.people.admin)

    async def allowed(self, purpose: str) -> bool:
        request = pb.CheckConsentRequest(subject=ANN, purpose=purpose)
        return (await self.stub.CheckConsent(request, metadata=self.people.admin)).allowed


@pytest.fixture
def consents(people: People) -> Consenting:
    return Consenting(people)


def ends(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return moment


async def found(people: People, strategy: int, query: str = "tea") -> set[str]:
    request = memory_pb2.SearchMemoriesRequest(query=query, limit=10)
    request.strategy = strategy  # type: ignore[assignment]  # by number
    results = await people.suite.memory.SearchMemories(request, metadata=people.admin)
    return {each.memory.content for each in results.results}


async def test_what_was_said_is_kept_in_order(people: People, consents: Consenting) -> None:
    await consents.grant("analytics")
    assert await consents.allowed("analytics")
    await consents.withdraw("analytics")
    assert not await consents.allowed("analytics")
    with fails_with("CONSENT_NOT_FOUND"):
        await consents.withdraw("training")
    with fails_with("INVALID_REQUEST", "purpose"):
        await consents.grant("spying")
    with fails_with("INVALID_REQUEST", "expire_time"):
        await consents.grant("training", expire_time=ends(-5))
    await consents.grant("training", expire_time=ends(2))
    assert await consents.allowed("training")

    async def over() -> bool:
        return not await consents.allowed("training")

    await eventually(over)

    listed = await consents.stub.ListConsents(pb.ListConsentsRequest(), metadata=people.admin)
    states = {each.purpose: each.state for each in listed.consents}
    assert states == {
        "analytics": pb.CONSENT_STATE_WITHDRAWN,
        "training": pb.CONSENT_STATE_EXPIRED,
    }
    events = await consents.stub.ListConsentEvents(
        pb.ListConsentEventsRequest(subject=ANN), metadata=people.admin
    )
    said = [(each.consent.purpose, each.consent.state) for each in events.events]
    assert said == [
        ("analytics", pb.CONSENT_STATE_GRANTED),
        ("analytics", pb.CONSENT_STATE_WITHDRAWN),
        ("training", pb.CONSENT_STATE_GRANTED),
    ]


async def test_people_handle_their_own_consents_alone(people: People) -> None:
    own = people.suite.auth("acme", ANN, (Role.VIEWER,))
    stub = people.suite.consents
    await stub.GrantConsent(pb.GrantConsentRequest(subject=ANN, purpose="memory"), metadata=own)
    listed = await stub.ListConsents(pb.ListConsentsRequest(subject=ANN), metadata=own)
    assert len(listed.consents) == 1
    for request in (pb.ListConsentsRequest(), pb.ListConsentsRequest(subject="bob")):
        with fails_with("PERMISSION_DENIED"):
            await stub.ListConsents(request, metadata=own)
    with fails_with("PERMISSION_DENIED"):
        await stub.GrantConsent(
            pb.GrantConsentRequest(subject="bob", purpose="memory"), metadata=own
        )


async def test_a_policy_names_its_purposes(people: People, consents: Consenting) -> None:
    get = pb.GetConsentPolicyRequest(name="consentPolicy")
    policy = await consents.stub.GetConsentPolicy(get, metadata=people.admin)
    assert (policy.version, list(policy.required_to_store)) == (1, [])
    with fails_with("INVALID_REQUEST", "consent_policy.required_to_store"):
        await consents.require(required_to_store=["spying"])
    changed = await consents.require(purposes=["memory", "spying"], required_to_store=["spying"])
    assert changed.version == 2
    with fails_with("VERSION_MISMATCH"):
        await consents.require(purposes=["memory"], version=1)


async def test_nothing_is_stored_without_consent(people: People, consents: Consenting) -> None:
    before = await people.remember("I like tea.", about=ANN)
    await consents.require(required_to_store=["memory"])

    with fails_with("CONSENT_MISSING"):
        await people.remember("I like coffee.", about=ANN)
    update = memory_pb2.UpdateMemoryRequest(
        memory=memory_pb2.Memory(name=before.name, content="I like milk.")
    )
    with fails_with("CONSENT_MISSING"):
        await people.suite.memory.UpdateMemory(update, metadata=people.admin)
    await people.remember("The company likes tea.")
    assert set(await people.memories()) >= {before.name}

    await consents.grant("memory")
    await asyncio.sleep(1.1)
    await people.remember("I like coffee.", about=ANN)
    await consents.withdraw("memory")
    await asyncio.sleep(1.1)
    with fails_with("CONSENT_MISSING"):
        await people.remember("I like water.", about=ANN)
    delete = memory_pb2.DeleteMemoryRequest(name=before.name)
    await people.suite.memory.DeleteMemory(delete, metadata=people.admin)


async def test_searches_leave_out_who_does_not_consent(
    people: People, consents: Consenting
) -> None:
    mine, broad, common = "I like tea.", "Tea was my idea.", "The company likes tea."
    await people.remember(mine, about=ANN)
    await people.remember(
        broad,
        about=ANN,
        layer=memory_pb2.LAYER_COMPANY,
    )
    await people.remember("Bob likes tea.", about="bob")
    await people.remember(common)
    await consents.require(required_to_retrieve=["retrieval"])
    await consents.grant("retrieval", "bob")
    await asyncio.sleep(1.1)
    strategies = (
        memory_pb2.SEARCH_STRATEGY_HYBRID,
        memory_pb2.SEARCH_STRATEGY_LEXICAL,
        memory_pb2.SEARCH_STRATEGY_SEMANTIC,
        memory_pb2.SEARCH_STRATEGY_REASONED,
    )
    for strategy in strategies:
        assert await found(people, strategy) == {"Bob likes tea.", common}

    await consents.grant("retrieval")
    await asyncio.sleep(1.1)

    for strategy in strategies:
        assert await found(people, strategy) == {"Bob likes tea.", common, mine, broad}


async def test_knowledge_is_about_its_author_where_a_tenant_says_so(
    people: People, consents: Consenting
) -> None:
    suite = people.suite

    def item() -> knowledge_pb2.CreateKnowledgeItemRequest:
        return knowledge_pb2.CreateKnowledgeItemRequest(
            knowledge_item=knowledge_pb2.KnowledgeItem(
                kind=knowledge_pb2.KNOWLEDGE_KIND_ADR,
                layer=knowledge_pb2.KNOWLEDGE_LAYER_COMPANY,
                title="Tea",
                content="We drink tea.",
            )
        )

    search = knowledge_pb2.SearchKnowledgeItemsRequest(
        query="tea", statuses=[knowledge_pb2.KNOWLEDGE_STATUS_DRAFT]
    )
    await suite.knowledge.CreateKnowledgeItem(item(), metadata=people.ann)
    await consents.require(
        required_to_store=["memory"], required_to_retrieve=["retrieval"], knowledge_authors=True
    )

    with fails_with("CONSENT_MISSING"):
        await suite.knowledge.CreateKnowledgeItem(item(), metadata=people.ann)
    left = await suite.knowledge.SearchKnowledgeItems(search, metadata=people.admin)
    assert not left.results

    await consents.grant("memory")
    await consents.grant("retrieval")
    await asyncio.sleep(1.1)
    await suite.knowledge.CreateKnowledgeItem(item(), metadata=people.ann)
    shown = await suite.knowledge.SearchKnowledgeItems(search, metadata=people.admin)
    assert len(shown.results) == 2


async def test_what_an_erased_person_said_is_not_told_again(
    people: People, consents: Consenting
) -> None:
    request = pb.GrantConsentRequest(subject=ANN, purpose="memory", request_id=str(uuid4()))
    await consents.stub.GrantConsent(request, metadata=people.admin)
    await people.erase()

    with fails_with("SUBJECT_ERASED"):
        await consents.stub.GrantConsent(request, metadata=people.admin)


@pytest.mark.parametrize(
    "strategy",
    [memory_pb2.SEARCH_STRATEGY_HYBRID, memory_pb2.SEARCH_STRATEGY_REASONED],
)
async def test_what_may_not_be_shown_does_not_crowd_out_the_rest(
    people: People, consents: Consenting, strategy: int
) -> None:
    """What is about Ann, in a layer that all see."""
    about_ann = memory_pb2.Memory(layer=memory_pb2.LAYER_COMPANY, content="Tea, tea, tea!")
    about_ann.scope.user_id = ANN
    requests = [memory_pb2.CreateMemoryRequest(memory=about_ann)] * 100
    other = memory_pb2.Memory(
        layer=memory_pb2.LAYER_COMPANY,
        content="The kitchen on the third floor has a kettle for whoever wants some tea at work.",
    )
    stub = people.suite.memory
    await stub.BatchCreateMemories(
        memory_pb2.BatchCreateMemoriesRequest(requests=requests), metadata=people.admin
    )
    await stub.CreateMemory(memory_pb2.CreateMemoryRequest(memory=other), metadata=people.admin)

    await consents.require(required_to_retrieve=["retrieval"])

    assert await found(people, strategy) == {other.content}
