"""The loss of PostgreSQL's primary in every way, under W: P1 to P4 and P13.

Nothing that was acknowledged is lost, and writes pause no longer than docs/stores.md says.
"""

import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.postgres import LEASE_GAP, NAMES, POSTMASTER, WALRECEIVER, Postgres
from tests.e2e.stack import SERVICES, Stack
from tests.e2e.workload import OutcomeOf

_PLANNED_GAP = 6
_REJOINED = 60
_AWAY = 5


def test_one_of_three_members_is_the_named_synchronous_standby(
    stack: Stack, postgres: Postgres
) -> None:
    rows = postgres.sql(
        postgres.leader, "SELECT application_name, sync_state FROM pg_stat_replication"
    )

    states = dict(row.split("|") for row in rows.splitlines())
    assert len(states) == 2
    assert states.pop(postgres.with_role("sync_standby")) in ("sync", "quorum")
    assert set(states.values()) == {"async"}


@pytest.mark.essential
def test_a_killed_primary_that_stays_away_is_replaced_within_its_lease(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf, record_property: Callable[..., None]
) -> None:
    old = postgres.leader
    with stack.both() as writers:
        with stack.faults.no_new_pods():
            stack.faults.destroy(old)
            postgres.wait_until_another_leads(than=old)
            writers[0].write_for(_AWAY)
        began = time.monotonic()
        postgres.wait_until_whole(_REJOINED)
        record_property("rejoined", round(time.monotonic() - began, 1))
        gaps = [outcome_of(each).gap for each in writers]

    assert max(gaps) <= LEASE_GAP


def test_a_frozen_primary_is_replaced_within_its_lease_and_demoted_when_it_wakes(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.both() as writers:
        with stack.faults.frozen(old):
            postgres.wait_until_another_leads(than=old)
            writers[0].write_for(_AWAY)
        postgres.wait_until_whole(_REJOINED)
        assert postgres.leader != old
        gaps = [outcome_of(each).gap for each in writers]

    assert max(gaps) <= LEASE_GAP


@pytest.mark.essential
def test_a_primary_that_is_deleted_with_grace_hands_over_in_seconds(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.both() as writers:
        stack.namespace("delete", "pod", old, "--wait=false")
        postgres.wait_until_another_leads(than=old)
        postgres.wait_until_whole(_REJOINED)
        gaps = [outcome_of(each).gap for each in writers]

    assert max(gaps) <= _PLANNED_GAP


@pytest.mark.essential
def test_a_crash_of_postgresql_alone_is_over_in_seconds_though_the_standbys_just_restarted(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    """They have new addresses, by which the primary has to find its successor at once."""
    old = postgres.leader
    stack.namespace("delete", "pod", *(each for each in NAMES if each != old))
    postgres.wait_until_whole(_REJOINED)
    with stack.both() as writers:
        stack.faults.signal(old, signal.SIGKILL, POSTMASTER)
        postgres.wait_until_another_leads(than=old)
        postgres.wait_until_whole(_REJOINED)
        gaps = [outcome_of(each).gap for each in writers]

    assert max(gaps) <= _PLANNED_GAP


def test_a_standby_that_lacks_writes_is_never_promoted(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    primary, complete, behind = map(postgres.with_role, ("leader", "sync_standby", "replica"))
    with stack.sql() as writer:
        with stack.faults.frozen(behind, WALRECEIVER), stack.faults.no_new_pods():
            writer.write_for(2)
            stack.faults.destroy(primary)
            assert postgres.wait_until_another_leads(than=primary) == complete
            writer.write_for(_AWAY)
        postgres.wait_until_whole(_REJOINED)
        assert postgres.leader == complete
        outcome_of(writer)


def test_nothing_but_the_charts_pods_takes_part_in_a_failover(
    stack: Stack, postgres: Postgres
) -> None:
    """There is no operator whose absence could matter: what P13 kills is not there."""
    running = stack.namespace.get("pods", "--field-selector=status.phase=Running")["items"]
    labels = [each["metadata"]["labels"] for each in running]

    assert {each["app.kubernetes.io/instance"] for each in labels} == {stack.release.name}
    components = {each["app.kubernetes.io/component"] for each in labels}
    assert components == {"postgres", "etcd", "redis", *SERVICES}
