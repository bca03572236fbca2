"""Single processes of PostgreSQL's members, and several members at once, under W: P5, P6 and P9.

At any time one server takes writes, or none; postgresql alone is killed in test_postgres_failover.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.postgres import NAMES, PATRONI, Postgres
from tests.e2e.stack import Stack
from tests.e2e.workload import OutcomeOf

_AWAY = 13  # seconds: a write is given up after 5 and made again, twice
_NO_GAP = 6


def test_one_server_writes_when_patroni_is_killed(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    with stack.sql() as writer:
        stack.faults.signal(postgres.leader, signal.SIGKILL, PATRONI)
        writer.write_for(5)
        postgres.wait_until_whole()
        outcome_of(writer)


def test_one_server_writes_when_patroni_is_frozen_for_longer_than_its_lease(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.sql() as writer:
        with stack.faults.frozen(old, PATRONI):
            postgres.wait_until_another_leads(than=old)
            assert postgres.takes_writes(old), "two that believe to be the primary"
            writer.write_for(5)
        postgres.wait_until_whole()
        assert postgres.leader != old
        outcome_of(writer)


@contextmanager
def no_standbys(stack: Stack, postgres: Postgres) -> Iterator[None]:
    leader = postgres.leader
    with stack.faults.no_new_pods():
        for name in NAMES:
            if name != leader:
                stack.faults.destroy(name)
        yield


def test_nothing_is_acknowledged_without_a_standby_not_even_a_repeat(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    with stack.both() as writers:
        with no_standbys(stack, postgres):
            began = time.monotonic()
            writers[0].write_for(_AWAY)
            away = time.monotonic() - began
        postgres.wait_until_whole()
        outcomes = [outcome_of(each) for each in writers]

    assert all(each.failures for each in outcomes), "nothing was written again"
    assert min(each.acknowledgement_gap for each in outcomes) >= away


def test_writes_go_on_without_a_standby_unless_replication_is_strict(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    with stack.sql() as writer, postgres.setting("synchronous_mode_strict", value=False):
        with no_standbys(stack, postgres):
            writer.write_for(_AWAY)
        postgres.wait_until_whole()
        outcome = outcome_of(writer)

    assert outcome.acknowledgement_gap <= _NO_GAP


def test_a_full_stop_loses_nothing_although_the_last_primary_starts_last(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    upwards = postgres.leader == NAMES[-1]
    with stack.both() as writers:
        stack.faults.set_ordinals("postgres", range(0))
        for count in range(1, len(NAMES) + 1):
            first = 0 if upwards else len(NAMES) - count
            stack.faults.set_ordinals("postgres", range(first, first + count))
            writers[0].write_for(3)
        postgres.wait_until_whole()
        for each in writers:
            outcome_of(each)
