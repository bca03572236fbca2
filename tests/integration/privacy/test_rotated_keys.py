"""Erasing a person whose keys were rotated: those that old backups need go, too."""

import pytest

from aeterna.governance.v1 import erasure_pb2
from tests.integration.governance.administering_keys import Keys
from tests.integration.privacy.dumps import holding
from tests.integration.privacy.people import ANN, IDENTIFIERS, People


@pytest.fixture(autouse=True)
def without_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVERNANCE_KEYS__RETIRE_GRACE", "PT0S")


async def test_shares_of_retired_keys_are_destroyed_with_the_person(people: People) -> None:
    await people.fill()
    keys = Keys(people.suite, people.tenant, people.admin)
    old = {key.name for key in await keys.subject_keys(f'subject = "{ANN}"')}
    await keys.rotate(ANN)
    await keys.reencrypt()
    retired = await keys.retire()
    new = {key.name for key in await keys.subject_keys(f'subject = "{ANN}"')}
    shares = "SELECT 'subjectKeys/' || key_id FROM control.key_share WHERE tenant_id = $1"
    async with people.suite.database.connect() as superuser:
        before = {row[0] for row in await superuser.fetch(shares, people.tenant)}
        erasure = await people.erase("delete")
        after = {row[0] for row in await superuser.fetch(shares, people.tenant)}

    assert retired.subject_keys == 1
    assert old.isdisjoint(new)
    assert old | new <= before  # a backup from before the rotation opens with it
    assert after.isdisjoint(old | new)
    assert erasure.state == erasure_pb2.ERASURE_STATE_COMPLETE
    assert await holding(people.suite.database, [ANN, *IDENTIFIERS]) == {}
