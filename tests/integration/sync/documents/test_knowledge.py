"""The knowledge service as saving sees it, when it refuses or is not there."""

from uuid import uuid4

import pytest

from libs.errors import AppError, Kind
from libs.tenancy import TenantId
from services.sync.documents.errors import KnowledgeUnavailable, SavingNotConfigured
from services.sync.documents.ports import Credentials
from services.sync.documents.settings import KnowledgeSettings
from services.sync.documents.store.knowledge import open_knowledge
from tests.integration.sync.documents.people import TENANT
from tests.suite import Suite

ANN = Credentials("no token", TenantId(TENANT))


async def test_without_a_knowledge_service_nothing_is_saved() -> None:
    async with open_knowledge(None) as knowledge:
        with pytest.raises(SavingNotConfigured):
            await knowledge.get(ANN, uuid4())


async def test_a_service_that_does_not_answer_is_unavailable() -> None:
    async with open_knowledge(KnowledgeSettings(address="127.0.0.1:1")) as knowledge:
        with pytest.raises(KnowledgeUnavailable):
            await knowledge.get(ANN, uuid4())


async def test_what_it_refuses_is_told_as_it_was(suite: Suite) -> None:
    await suite.create_tenant(TENANT)
    settings = KnowledgeSettings(address=suite.addresses.knowledge)
    async with open_knowledge(settings) as knowledge:
        with pytest.raises(AppError) as raised:
            await knowledge.get(ANN, uuid4())
        assert (raised.value.kind, raised.value.reason) == (Kind.UNAUTHENTICATED, "TOKEN_INVALID")

        known = Credentials(suite.token(TENANT), TenantId(TENANT))
        missing = uuid4()
        with pytest.raises(AppError) as raised:
            await knowledge.get(known, missing)
    assert (raised.value.kind, raised.value.reason) == (Kind.NOT_FOUND, "KNOWLEDGE_ITEM_NOT_FOUND")
    assert raised.value.metadata == {"knowledgeItemId": str(missing)}
