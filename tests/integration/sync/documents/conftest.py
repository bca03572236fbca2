from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import Database
from tests.integration.sync.documents.people import TENANT, Person
from tests.suite import Suite, open_suite


@pytest.fixture
async def ann(suite: Suite) -> Person:
    await suite.create_tenant(TENANT)
    return Person.of(suite)


@pytest.fixture
async def bob(suite: Suite, ann: Person) -> Person:
    return Person.of(suite, "bob")


@pytest.fixture
async def replicas(database: Database, tmp_path: Path) -> AsyncIterator[tuple[Suite, Suite]]:
    """Two suites on one database, where the tenant exists."""
    async with open_suite(database, tmp_path) as one, open_suite(database, tmp_path) as other:
        await one.create_tenant(TENANT)
        yield one, other
