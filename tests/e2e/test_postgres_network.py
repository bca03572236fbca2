"""Cuts in the network of PostgreSQL's primary, and the loss of etcd, under W: P7 and P8."""

import time

from tests.e2e.cluster import wait_until
from tests.e2e.postgres import ETCD, LEASE, LEASE_GAP, NAMES, Postgres
from tests.e2e.stack import Stack
from tests.e2e.workload import OutcomeOf

_LONGER = LEASE + 3
_NO_GAP = 5


def wait_until_demoted(postgres: Postgres, name: str) -> float:
    """Seconds until its server has stopped to take writes."""
    began = time.monotonic()
    wait_until(lambda: not postgres.takes_writes(name), f"{name} is demoted")
    return time.monotonic() - began


def test_a_primary_that_is_cut_off_steps_down_before_another_takes_over(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.sql() as writer:
        with stack.faults.cut(old, *stack.others(old)):
            assert wait_until_demoted(postgres, old) <= LEASE
            postgres.wait_until_another_leads(than=old)
            writer.write_for(5)
        postgres.wait_until_whole()
        outcome = outcome_of(writer)

    assert outcome.gap <= LEASE_GAP


def test_a_primary_without_etcd_goes_on_while_every_member_answers_it(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.sql() as writer:
        with stack.faults.cut(old, *ETCD):
            writer.write_for(_LONGER)
            assert postgres.takes_writes(old)
        postgres.wait_until_whole()
        assert postgres.leader == old
        outcome = outcome_of(writer)

    assert outcome.gap <= _NO_GAP


def test_a_primary_without_etcd_and_failsafe_steps_down_for_another(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.sql() as writer, postgres.setting("failsafe_mode", value=False):
        with stack.faults.cut(old, *ETCD):
            assert wait_until_demoted(postgres, old) <= LEASE
            postgres.wait_until_another_leads(than=old)
            writer.write_for(3)
        postgres.wait_until_whole()
        outcome = outcome_of(writer)

    assert outcome.gap <= LEASE_GAP


def test_a_primary_that_only_etcd_can_hear_acknowledges_nothing(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    with stack.sql() as writer:
        with stack.faults.cut(old, *(each for each in NAMES if each != old)):
            began = time.monotonic()
            writer.write_for(10)
            away = time.monotonic() - began
        postgres.wait_until_whole()
        outcome = outcome_of(writer)

    assert outcome.acknowledgement_gap >= away


def test_a_standby_whose_confirmations_do_not_arrive_is_replaced_as_the_synchronous_one(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    old = postgres.leader
    unheard = postgres.with_role("sync_standby")
    with stack.sql() as writer:
        with stack.faults.cut(unheard, old):
            wait_until(
                lambda: postgres.with_role("sync_standby") not in ("", unheard),
                "another synchronous standby",
            )
            writer.write_for(3)
        postgres.wait_until_whole()
        outcome = outcome_of(writer)

    assert postgres.leader == old
    assert outcome.gap <= LEASE_GAP


def test_the_loss_of_etcd_one_member_after_the_other_stops_no_write(
    stack: Stack, postgres: Postgres, outcome_of: OutcomeOf
) -> None:
    leader = postgres.leader
    with stack.sql() as writer:
        with stack.faults.no_new_pods():
            for name, seconds in zip(ETCD, (5, _LONGER, _LONGER), strict=True):
                stack.faults.destroy(name)
                writer.write_for(seconds)
                assert postgres.takes_writes(leader)
        postgres.wait_until_whole()
        assert postgres.leader == leader
        outcome = outcome_of(writer)

    assert outcome.gap <= _NO_GAP
