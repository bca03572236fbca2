"""Snapshots, and forgetting what is old: what is kept stays readable, and repeats stay safe."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.integration.sync.documents.people import TENANT, Person
from tests.suite import Suite, open_suite

DAYS = timedelta(days=30)
_VERSIONS = "SELECT version FROM aeterna.shared_document_edit ORDER BY version"
_SNAPSHOTS = "SELECT version FROM aeterna.shared_document_snapshot ORDER BY version"
_AGE = """
    UPDATE aeterna.shared_document_edit SET edited_at = edited_at - $1::interval WHERE version <= $2
"""
_AGED = """
    UPDATE aeterna.shared_document SET edits_since = edits_since - $1::interval
"""


@pytest.fixture
async def suite(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    """Looks for old edits all the time, and keeps few versions."""
    monkeypatch.setenv("SYNC_DOCUMENTS__COMPACTION_INTERVAL", "PT0.05S")
    monkeypatch.setenv("SYNC_DOCUMENTS__KEPT_VERSIONS", "30")
    async with open_suite(database, tmp_path) as suite:
        await suite.create_tenant(TENANT)
        yield suite


@pytest.fixture
async def ann(suite: Suite) -> Person:
    return Person.of(suite)


async def numbers(suite: Suite, sql: str) -> list[int]:
    async with suite.database.connect() as superuser:
        return [row[0] for row in await superuser.fetch(sql)]


async def age(suite: Suite, version: int, by: timedelta) -> None:
    """As if the edits up to a version had been made so long ago."""
    async with suite.database.connect() as superuser:
        await superuser.execute(_AGE, by, version)
        await superuser.execute(_AGED, by)


async def written(ann: Person, count: int) -> str:
    """A document with so many edits."""
    name = (await ann.create("|")).name
    for version in range(count):
        await ann.edit(name, version, f"{version % 10}")
    return name


async def test_what_is_old_is_forgotten_and_the_rest_stays(suite: Suite, ann: Person) -> None:
    name = await written(ann, 20)
    before = await ann.get(name)

    await age(suite, 12, DAYS)
    await eventually(lambda: _kept_from(suite, 13))

    after = await ann.get(name)
    assert (after.oldest_version, after.version, after.text) == (12, 20, before.text)
    assert [each.version for each in await ann.edits(name, 12)] == list(range(13, 21))
    assert (await ann.get(name, 12)).text == before.text[8:]
    assert (await ann.get(name, 15)).text == before.text[5:]
    for call in (ann.edits(name, 11), ann.get(name, 11), ann.restore(name, 3)):
        with fails_with("HISTORY_COMPACTED"):
            await call
    with fails_with("HISTORY_COMPACTED"):
        await ann.edit(name, 11, "late")
    assert (await ann.edit(name, 12, "in time")).version == 21
    assert await numbers(suite, _SNAPSHOTS) == [12]


async def test_a_document_that_is_old_as_a_whole_keeps_its_text(suite: Suite, ann: Person) -> None:
    name = await written(ann, 5)

    await age(suite, 5, DAYS)
    await eventually(lambda: _kept_from(suite, None))

    found = await ann.get(name)
    assert (found.oldest_version, found.text) == (5, "43210|")
    assert (await ann.edit(name, 5, "new ")).version == 6
    assert [each.version for each in await ann.edits(name, 5)] == [6]
    assert (await ann.get(name)).oldest_version == 5


async def test_of_many_versions_the_newest_stay_once_they_are_not_repeated(
    suite: Suite, ann: Person
) -> None:
    name, request_id = await written(ann, 40), str(uuid4())
    edit = await ann.edit(name, 40, "x", request_id=request_id)

    await age(suite, 20, timedelta(days=2))
    await eventually(lambda: _kept_from(suite, 12))

    assert (await ann.get(name)).oldest_version == 11
    assert await ann.edit(name, 40, "x", request_id=request_id) == edit


async def test_a_document_is_opened_from_a_snapshot_and_few_edits(
    suite: Suite, ann: Person
) -> None:
    name = await written(ann, 210)

    assert await numbers(suite, _SNAPSHOTS) == [0, 200]
    assert len((await ann.get(name, 150)).text) == 151
    assert len((await ann.get(name, 205)).text) == 206


async def test_the_log_says_that_a_history_was_forgotten(suite: Suite, ann: Person) -> None:
    await written(ann, 3)
    await age(suite, 2, DAYS)
    await eventually(lambda: _kept_from(suite, 3))

    async with suite.database.connect() as superuser:
        rows = await superuser.fetch(
            "SELECT actor, operation FROM aeterna.change WHERE event = 'document.compacted'"
        )
    assert [tuple(row) for row in rows] == [("service:sync", "recorded")]


async def _kept_from(suite: Suite, version: int | None) -> bool:
    found = await numbers(suite, _VERSIONS)
    return (found[0] if found else None) == version
