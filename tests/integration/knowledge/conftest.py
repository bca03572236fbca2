"""A tenant with a developer who writes knowledge; reviewers come from `Client.as_`."""

import pytest

from libs.auth import Role
from tests.integration.knowledge.client import Client
from tests.suite import Suite


@pytest.fixture
async def client(suite: Suite) -> Client:
    """Ann, a developer of acme."""
    await suite.create_tenant("acme")
    return Client(suite, suite.auth("acme", "ann", [Role.DEVELOPER]))
