"""Keys through RPCs: what is rotated, rewrapped, sealed anew and retired, and by whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest

from aeterna.governance.v1 import audit_pb2
from aeterna.governance.v1 import keys_pb2 as pb
from libs.auth import Role
from libs.encryption.keyring import MAC_SUBJECT, Keyring
from libs.encryption.kms_local import LocalKms
from libs.encryption.store import PostgresKeyStore
from libs.tenancy import Route, ShardId, TenantId
from tests.databases import Database
from tests.errors import fails_with
from tests.integration.governance.administering_keys import Keys
from tests.suite import Suite, open_suite


@pytest.fixture
async def suite(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Suite]:
    monkeypatch.setenv("GOVERNANCE_KEYS__RETIRE_GRACE", "PT0S")
    async with open_suite(database, tmp_path) as suite:
        yield suite


@pytest.fixture
async def keys(suite: Suite) -> Keys:
    return Keys(suite, "acme", await suite.create_tenant("acme"))


async def test_a_new_tenant_key_wraps_what_is_made_from_now_on(keys: Keys) -> None:
    await keys.remember("Tea at four.", "ann")
    before = await keys.tenant_keys()
    rotated = await keys.rotate_tenant_key()
    await keys.remember("Coffee at six.", "bob")

    assert [(key.version, key.primary) for key in before] == [(1, True)]
    assert (rotated.name, rotated.version, rotated.primary) == ("tenantKeys/2", 2, True)
    assert [key.version for key in await keys.tenant_keys()] == [2, 1]
    by_subject = {key.subject: key.tenant_key_version for key in await keys.subject_keys()}
    assert (by_subject["ann"], by_subject["bob"]) == (1, 2)
    assert await keys.contents() == {"Tea at four.", "Coffee at six."}


async def test_a_repeat_of_a_rotation_gets_the_first_answer(keys: Keys) -> None:
    await keys.remember("Tea at four.")
    first, second = str(uuid4()), str(uuid4())

    assert await keys.rotate_tenant_key(first) == await keys.rotate_tenant_key(first)
    assert await keys.rotate("ann", second) == await keys.rotate("ann", second)

    assert [key.version for key in await keys.tenant_keys()] == [2, 1]
    assert len(await keys.subject_keys('subject = "ann"')) == 2


async def test_a_subject_gets_a_new_key_that_seals_at_once(keys: Keys) -> None:
    await keys.remember("Tea at four.")
    rotated = await keys.rotate("ann")
    await keys.remember("Coffee at six.")

    found = {key.version: key for key in await keys.subject_keys('subject = "ann"')}
    assert found[2].name == rotated.name
    assert (found[1].primary, found[2].primary) == (False, True)
    async with keys.suite.database.connect() as superuser:
        assert {found[1].name, found[2].name} <= await keys.named(superuser)
    assert await keys.contents() == {"Tea at four.", "Coffee at six."}


async def test_a_subject_without_a_key_is_not_found(keys: Keys) -> None:
    with fails_with("SUBJECT_KEY_NOT_FOUND"):
        await keys.rotate("nobody")


async def test_all_subjects_are_rotated_once_by_age(keys: Keys) -> None:
    for user in ("ann", "bob", "eve"):
        await keys.remember(f"{user} likes tea.", user)
    await keys.decide("Tea")

    assert (await keys.rotate_all(older_than=3600)).subject_keys == 0
    before = {key.subject for key in await keys.subject_keys()}
    assert (await keys.rotate_all()).subject_keys == len(before)
    assert {"", "ann", "bob", "eve"} <= before
    assert MAC_SUBJECT not in before
    newest = {key.subject: key.version for key in await keys.subject_keys() if key.primary}
    assert set(newest.values()) == {2}


async def test_everything_moves_under_new_keys_and_old_ones_are_destroyed(keys: Keys) -> None:
    """The whole way, with earlier versions, an item and the tenant's own key."""
    memory = await keys.remember("Tea at four.")
    await keys.update(memory.name, "Tea at five.")
    await keys.remember("Coffee at six.", "bob")
    await keys.decide("Tea or coffee")
    old = await keys.subject_keys()

    await keys.rotate_tenant_key()
    made = (await keys.rotate_all()).subject_keys
    foreseen = await keys.retire(validate_only=True)
    assert (foreseen.candidates, foreseen.subject_keys) == (made, 0)
    assert foreseen.named > 0
    moved = await keys.reencrypt()
    rewrapped = await keys.rewrap()
    foreseen = await keys.retire(validate_only=True)
    assert (foreseen.subject_keys, foreseen.named) == (made, 0)
    assert len(await keys.subject_keys()) == 2 * len(old)
    retired = await keys.retire()

    assert moved.reencrypted == moved.values == foreseen.values > 0
    assert (moved.overtaken, moved.unreadable, moved.erased) == (0, 0, 0)
    assert rewrapped.tenant_keys == 2
    assert rewrapped.subject_keys == len(old) + 1  # the reserved one, too
    assert (retired.candidates, retired.subject_keys, retired.tenant_keys) == (made, made, 1)
    left = await keys.subject_keys()
    assert {key.name for key in left}.isdisjoint(key.name for key in old)
    assert [key.version for key in await keys.tenant_keys()] == [2]
    async with keys.suite.database.connect() as superuser:
        assert await keys.named(superuser) == {key.name for key in left}
    assert await keys.contents() == {"Tea at five.", "Coffee at six."}
    assert await keys.revisions(memory.name) == ["Tea at four.", "Tea at five."]
    assert await keys.items() == {"Tea or coffee"}
    assert (await keys.get(memory.name)).author == "Ann of Accounts"


async def test_what_is_sealed_anew_has_not_changed_for_anybody(keys: Keys) -> None:
    memory = await keys.remember("Tea at four.")
    before = await keys.get(memory.name)
    await keys.rotate("ann")
    assert (await keys.reencrypt()).reencrypted == 4

    assert await keys.get(memory.name) == before
    assert (await keys.reencrypt()).reencrypted == 0


async def test_a_key_that_a_value_names_is_never_retired(keys: Keys) -> None:
    await keys.remember("Tea at four.")
    await keys.rotate("ann")

    retired = await keys.retire()

    assert (retired.candidates, retired.named, retired.subject_keys) == (1, 4, 0)
    assert await keys.contents() == {"Tea at four."}


async def test_what_was_altered_is_counted_and_left_alone(keys: Keys) -> None:
    await keys.remember("Tea at four.")
    await keys.remember("Coffee at six.")
    await keys.rotate("ann")
    async with keys.suite.database.connect() as superuser:
        await superuser.execute(
            "UPDATE aeterna.memory SET content = set_byte(content, 40, get_byte(content, 40) # 1)"
            " WHERE id = (SELECT min(id::text)::uuid FROM aeterna.memory)"
        )

    moved = await keys.reencrypt()

    assert (moved.values, moved.reencrypted, moved.unreadable) == (8, 7, 1)
    assert (await keys.retire()).subject_keys == 0


async def test_the_change_log_tells_of_keys_and_not_of_what_was_sealed_anew(keys: Keys) -> None:
    await keys.remember("Tea at four.")
    rotated = await keys.rotate("ann")
    await keys.rotate_tenant_key()
    await keys.reencrypt()
    await keys.retire()

    request = audit_pb2.ListAuditEntriesRequest(page_size=1000)
    entries = await keys.suite.audit.ListAuditEntries(request, metadata=keys.metadata)
    told = [
        (each.change.resource, each.change.operation, each.change.subject)
        for each in entries.entries
        if each.change.resource.partition("/")[0] in ("subjectKeys", "tenantKeys", "memories")
    ]
    (old,) = [resource for resource, *_ in told if resource.startswith("subjectKeys/")][1:]
    assert [each[1:] for each in told] == [(1, "ann"), (1, "ann"), (1, ""), (3, "")]
    assert told[1][0] == rotated.name
    assert old != rotated.name
    verified = await keys.suite.audit.VerifyAuditTrail(
        audit_pb2.VerifyAuditTrailRequest(), metadata=keys.metadata
    )
    assert verified.intact


async def test_a_write_under_a_key_destroyed_elsewhere_is_refused_and_then_repeated(
    keys: Keys, pool: asyncpg.Pool
) -> None:
    """At once, not five seconds later: the refusal itself tells the process."""
    platform = keys.suite.platform
    assert platform.kms.keyring
    elsewhere = Keyring(LocalKms.open(platform.kms.keyring), PostgresKeyStore())
    await keys.remember("Tea at four.")
    await elsewhere.destroy_subject(Route(TenantId("acme"), ShardId("main"), 1, pool), "ann")

    with fails_with("KEY_CHANGED_MEANWHILE", code=grpc.StatusCode.UNAVAILABLE):
        await keys.remember("Coffee at six.")
    memory = await keys.remember("Coffee at six.")

    assert (await keys.get(memory.name)).content == "Coffee at six."


async def test_throttled_it_takes_its_time(keys: Keys) -> None:
    await asyncio.gather(*(keys.remember(f"Fact {number}.") for number in range(30)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    moved = await keys.reencrypt(rows_per_second=20)

    assert moved.rows == 30
    assert loop.time() - began >= 30 / 20


async def test_developers_may_not(keys: Keys) -> None:
    suite, metadata = keys.suite, keys.suite.auth("acme", "dev", (Role.DEVELOPER,))
    stub = suite.keys
    calls: list[tuple[Any, Any]] = [
        (stub.ListTenantKeys, pb.ListTenantKeysRequest()),
        (stub.ListSubjectKeys, pb.ListSubjectKeysRequest()),
        (stub.RotateTenantKey, pb.RotateTenantKeyRequest()),
        (stub.RotateSubjectKey, pb.RotateSubjectKeyRequest()),
        (stub.RotateSubjectKeys, pb.RotateSubjectKeysRequest()),
        (stub.RewrapTenantKeys, pb.RewrapTenantKeysRequest()),
        (stub.ReencryptFields, pb.ReencryptFieldsRequest()),
        (stub.RetireKeys, pb.RetireKeysRequest()),
    ]
    for call, request in calls:
        with fails_with("PERMISSION_DENIED"):
            await call(request, metadata=metadata)


async def test_only_the_platform_sees_the_key_that_wraps_all(keys: Keys) -> None:
    stub = keys.suite.kms
    calls: list[tuple[Any, Any]] = [
        (stub.GetKmsKey, pb.GetKmsKeyRequest()),
        (stub.ListKmsKeys, pb.ListKmsKeysRequest()),
        (stub.RotateKmsKey, pb.RotateKmsKeyRequest()),
    ]
    for call, request in calls:
        with fails_with("PERMISSION_DENIED"):
            await call(request, metadata=keys.metadata)


async def test_a_rotated_kms_key_takes_over_at_the_next_rewrapping(keys: Keys) -> None:
    root, stub = keys.suite.platform_admin, keys.suite.kms
    await keys.remember("Tea at four.")
    before = await stub.GetKmsKey(pb.GetKmsKeyRequest(), metadata=root)
    after = await stub.RotateKmsKey(pb.RotateKmsKeyRequest(), metadata=root)
    listed = await stub.ListKmsKeys(pb.ListKmsKeysRequest(), metadata=root)

    assert (before.provider, before.state, before.versions) == ("local", "enabled", 1)
    assert after.versions == 2
    assert [key.key_id for key in listed.kms_keys] == [after.key_id, before.key_id]
    assert [key.kms_key for key in await keys.tenant_keys()] == [before.key_id]
    assert (await keys.rewrap()).tenant_keys == 1
    assert [key.kms_key for key in await keys.tenant_keys()] == [after.key_id]
    assert await keys.contents() == {"Tea at four."}


async def test_another_tenant_has_other_keys(keys: Keys) -> None:
    other = Keys(keys.suite, "globex", await keys.suite.create_tenant("globex"))
    await keys.remember("Tea at four.")
    await other.remember("Coffee at six.")
    await keys.rotate("ann")
    await keys.reencrypt()

    assert len(await other.subject_keys('subject = "ann"')) == 1
    mine = {key.name for key in await keys.subject_keys()}
    assert mine.isdisjoint(key.name for key in await other.subject_keys())
