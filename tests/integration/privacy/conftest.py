"""A tenant with people whose data is everywhere."""

import pytest

from tests.integration.privacy.people import People
from tests.suite import Suite


@pytest.fixture
async def people(suite: Suite) -> People:
    return await People.create(suite)
