"""Archive, backups and restores of PostgreSQL, on a volume: two members, else the profile `ha`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import backups, s3
from tests.e2e.backups import ARCHIVE_TIMEOUT, Database
from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.helm import Values

RecordProperty = Callable[[str, Any], None]
_TRANSFER_SECONDS = 5
_EVERY_MINUTE = {"full": "* * * * *", "incremental": "* * * * *"}
_ONE_MEMBER: list[Path | Values] = [
    Path("ci/dev-values.yaml"),
    {"resources": {"requests": {"cpu": "1m"}}},
]


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Database]:
    """Its schedules are suspended: what is in the repository is what the tests put there."""
    backup = {"retentionFull": 1, "schedule": _EVERY_MINUTE, "suspend": True}
    with (
        cluster.namespace("e2e-backup") as namespace,
        backups.database(namespace, "origin", {"backup": backup}) as database,
    ):
        yield database


@pytest.fixture
def origin(installed: Database, keep_logs: Callable[[Cluster], None]) -> Database:
    """It has an empty table."""
    keep_logs(installed.namespace)
    installed.sql("CREATE TABLE IF NOT EXISTS numbers (n int PRIMARY KEY)")
    installed.sql("TRUNCATE numbers")
    return installed


def test_a_row_is_in_the_archive_within_the_timeout(
    origin: Database, record_property: RecordProperty
) -> None:
    (file,) = origin.sql(
        "INSERT INTO numbers VALUES (1) RETURNING pg_walfile_name(pg_current_wal_insert_lsn())"
    )
    begun = time.monotonic()
    wait_until(lambda: origin.has_archived(file), f"{file} is archived", 2 * ARCHIVE_TIMEOUT)
    seconds = time.monotonic() - begun

    record_property("archive_timeout_seconds", ARCHIVE_TIMEOUT)
    record_property("archived_after_seconds", round(seconds, 1))
    assert seconds <= ARCHIVE_TIMEOUT + _TRANSFER_SECONDS


def test_a_full_and_an_incremental_backup_are_listed_and_can_be_verified(
    origin: Database, record_property: RecordProperty
) -> None:
    origin.insert(range(1000))
    record_property("full_seconds", round(origin.back_up("full"), 1))
    origin.insert(range(1000, 2000))
    record_property("incremental_seconds", round(origin.back_up("incremental"), 1))

    full, incremental = origin.info()["backup"][-2:]
    assert (full["type"], incremental["type"]) == ("full", "incr")
    assert incremental["prior"] == full["label"]
    assert not full["error"]
    assert not incremental["error"]
    assert "status: ok" in origin.verify()


def test_what_retention_leaves_is_whole_and_nothing_older_is_left(origin: Database) -> None:
    origin.back_up("full")
    origin.back_up("incremental")
    expired = {each["label"] for each in origin.info()["backup"]}
    origin.back_up("full")

    info = origin.info()
    (kept,) = info["backup"]
    assert kept["label"] not in expired
    assert info["archive"][-1]["min"] == kept["archive"]["start"]
    assert "status: ok" in origin.verify()


@pytest.mark.essential
def test_a_restore_to_before_a_bad_delete_after_a_failover_has_exactly_the_rows_of_then(
    origin: Database, record_property: RecordProperty
) -> None:
    origin.insert(range(1000))
    origin.back_up("full")
    origin.insert(range(1000, 2000))
    record_property("failover_seconds", round(origin.fail_over(), 1))
    origin.insert(range(2000, 3000))
    (moment,) = origin.sql("SELECT clock_timestamp()")
    origin.sql("DELETE FROM numbers WHERE n % 3 = 0")
    origin.insert(range(3000, 4000))
    origin.archive_all()

    assert any(file.endswith(".history") for file in origin.archive())
    with restored_beside(origin, record_property, "before", moment) as copy:
        assert copy.numbers() == set(range(3000))


def test_a_restore_without_a_time_has_the_newest_rows_of_the_archive(
    origin: Database, record_property: RecordProperty
) -> None:
    origin.insert(range(1000))
    origin.back_up("full")
    origin.insert(range(1000, 2000))
    origin.sql("DELETE FROM numbers WHERE n % 3 = 0")
    origin.archive_all()

    with restored_beside(origin, record_property, "newest", "", *_ONE_MEMBER) as copy:
        assert copy.numbers() == {n for n in range(2000) if n % 3}


def test_archive_backup_and_restore_work_on_an_encrypted_repository_in_s3(
    namespace: Cluster, record_property: RecordProperty
) -> None:
    s3.start(namespace)
    values: list[Path | Values] = [*_ONE_MEMBER, {"backup": s3.BACKUP}]
    with backups.database(namespace, "origin", *values) as origin:
        origin.sql("CREATE TABLE numbers (n int PRIMARY KEY)")
        origin.insert(range(1000))
        record_property("full_seconds", round(origin.back_up("full"), 1))
        origin.insert(range(1000, 2000))
        origin.archive_all()

        assert "status: ok" in origin.verify()
        with restored(origin, "copy", "", *values) as copy:
            assert copy.numbers() == set(range(2000))


@contextmanager
def restored_beside(
    origin: Database,
    record_property: RecordProperty,
    name: str,
    moment: str,
    *values: Path | Values,
) -> Iterator[Database]:
    """As `restored`; what the copy writes changes nothing in the origin's repository."""
    with origin.stopped() as digest:
        before, begun = digest(), time.monotonic()
        with restored(origin, name, moment, *values) as copy:
            record_property("restore_seconds", round(time.monotonic() - begun, 1))
            yield copy
            copy.insert(range(5000, 6000))
            copy.archive_all()
        assert digest() == before


def restored(
    origin: Database, name: str, moment: str, *values: Path | Values
) -> AbstractContextManager[Database]:
    """A new database from the origin's backups, as it was at the moment, or at the end."""
    restore = {
        "enabled": True,
        "path": f"/{origin.name}",
        "claim": f"{origin.name}-backup",  # has no effect in S3
        "targetTime": moment,
    }
    return backups.database(origin.namespace, name, {"restore": restore}, *values)


def test_suspended_schedules_start_nothing_and_resumed_ones_both_succeed(origin: Database) -> None:
    wait_until(lambda: minutes_since_creation(origin) >= 1, "a full minute", 130)
    assert not any("lastScheduleTime" in status for status in schedules(origin))

    origin.release.install({"backup": {"suspend": False}})
    try:
        succeeded = "lastSuccessfulTime"
        wait_until(lambda: all(succeeded in each for each in schedules(origin)), "both", 180)
    finally:
        origin.release.install()
    assert "status: ok" in origin.verify()


def schedules(database: Database) -> list[dict[str, Any]]:
    """The status of its CronJobs; restored copies have some of their own."""
    own = f"--selector=app.kubernetes.io/instance={database.name}"
    return [each["status"] for each in database.namespace.get("cronjobs", own)["items"]]


def minutes_since_creation(database: Database) -> int:
    """Of the clock, to the schedule's controller: ten seconds ago."""
    created = database.namespace.get("cronjobs")["items"][0]["metadata"]["creationTimestamp"]
    begun = datetime.fromisoformat(created).timestamp() // 60
    return int((datetime.now(UTC).timestamp() - 10) // 60 - begun)
