"""Redis under failures: who is master, how long writers wait, what may be lost, who needs it.

Redis replicates asynchronously, so that what is lost is measured and bounded, never denied.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from signal import SIGKILL
from typing import Any

import pytest

from tests.e2e.cluster import wait_until
from tests.e2e.sentinels import PODS, Redis
from tests.e2e.services import are_ready, wakeups
from tests.e2e.stack import Stack
from tests.e2e.workload import Outcome

RecordProperty = Callable[[str, Any], None]
_FAILOVER_SECONDS = 15
_MAX_LAG = 10  # seconds: `minReplicasMaxLag` of the chart
_CLOCK_SECONDS = 2  # Redis counts the lag in whole seconds and looks once in each
_KEPT = 1000


@pytest.fixture
def redis(stack: Stack) -> Iterator[Redis]:
    """Whole before the test and after it."""
    redis = Redis(stack.namespace)
    redis.wait_until_whole()
    yield redis
    run_only(stack, range(3))
    redis.wait_until_whole()


def run_only(stack: Stack, places: range) -> None:
    """These pods of Redis, by number."""
    stack.faults.set_ordinals("redis", places)


@contextmanager
def partitioned(stack: Stack, pod: str) -> Iterator[None]:
    """Nothing passes between the pod and the other two."""
    others = [each for each in PODS if each != pod]
    with ExitStack() as cuts:
        for each in others:
            cuts.enter_context(stack.faults.cut(each, pod))
        # Last, or it would go on hearing of replicas that do not hear of it.
        cuts.enter_context(stack.faults.cut(pod, *others))
        yield


def record(outcome: Outcome, record_property: RecordProperty) -> None:
    record_property("acknowledged", outcome.acknowledged)
    record_property("lost", len(outcome.lost))
    record_property("lost_seconds", round(outcome.lost_seconds, 2))
    record_property("gap_seconds", round(outcome.gap, 1))
    record_property("acknowledgement_gap_seconds", round(outcome.acknowledgement_gap, 1))


def assert_resumed_in_time(outcome: Outcome) -> None:
    assert outcome.gap <= _FAILOVER_SECONDS
    assert outcome.acknowledgement_gap <= _FAILOVER_SECONDS
    assert not outcome.unexpected


@pytest.mark.essential
def test_writes_resume_in_time_after_the_masters_pod_is_lost(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    master = redis.master()
    with stack.keys() as recorder:
        with stack.faults.no_new_pods():
            stack.faults.destroy(master)
            redis.wait_until_another_than(master)
        redis.wait_until_whole()
        outcome = recorder.stop()

    record(outcome, record_property)
    assert_resumed_in_time(outcome)
    assert redis.master() != master


def test_writes_resume_in_time_after_the_master_freezes_and_it_comes_back_as_a_replica(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    master = redis.master()
    with stack.keys() as recorder:
        with stack.faults.frozen(master):
            redis.wait_until_another_than(master)
        redis.wait_until_whole()
        outcome = recorder.stop()

    record(outcome, record_property)
    assert_resumed_in_time(outcome)
    assert redis.view(master)["role"] == "slave"


def test_after_a_full_stop_two_pods_in_reverse_order_are_enough_for_a_master(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    keep(redis)
    with stack.keys() as recorder:
        run_only(stack, range(0))
        run_only(stack, range(2, 3))
        waits = "waiting for 2 Sentinels"
        wait_until(lambda: redis.says("redis-2", waits), "one pod alone waits")
        run_only(stack, range(1, 3))
        wait_until(lambda: redis.says("redis-1"), "a second pod")
        begun = time.monotonic()
        redis.wait_until_another_than("redis-0")
        seconds = time.monotonic() - begun
        run_only(stack, range(3))
        redis.wait_until_whole()
        outcome = recorder.stop()

    record(outcome, record_property)
    record_property("seconds_from_two_pods_to_a_master", round(seconds, 1))
    assert seconds <= _FAILOVER_SECONDS
    assert not outcome.unexpected
    assert kept(redis) == dict.fromkeys(PODS, _KEPT)


def test_a_master_that_is_cut_off_with_its_client_loses_no_more_than_the_lag_that_is_allowed(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    master = redis.master()
    with stack.keys(sentinel=f"{master}.redis-members") as recorder:
        with partitioned(stack, master):
            wait_until(lambda: refuses_writes(redis, master), "the old master refuses writes")
            redis.wait_until_another_than(master)
        redis.wait_until_whole()
        outcome = recorder.stop()

    record(outcome, record_property)
    assert outcome.lost, "the client was on the side of the old master"
    assert outcome.lost_seconds <= _MAX_LAG + _CLOCK_SECONDS
    assert not outcome.unexpected
    assert redis.view(master)["role"] == "slave"


def refuses_writes(redis: Redis, pod: str) -> bool:
    return redis.command(pod, "set", "probe", "1").startswith("NOREPLICAS")


def test_a_master_that_restarts_at_once_without_its_data_does_not_wipe_its_replicas(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    keep(redis)
    master = redis.master()
    with stack.keys() as recorder:
        redis.shell(master, "rm -rf /data/redis")
        stack.faults.signal(master, SIGKILL, r"redis-server \S+:6379")
        redis.wait_until_another_than(master)
        redis.wait_until_whole()
        outcome = recorder.stop()

    record(outcome, record_property)
    assert_resumed_in_time(outcome)
    assert kept(redis) == dict.fromkeys(PODS, _KEPT)


def keep(redis: Redis) -> None:
    """Keys that all replicas have, too."""
    master = redis.master()
    fill = f"for n = 1, {_KEPT} do redis.call('hset', 'kept', n, n) end"
    redis.command(master, "eval", fill, "0")
    redis.shell(master, "printf 'hset kept 0 0\\nhdel kept 0\\nwait 2 5000\\n' | redis-cli")


def kept(redis: Redis) -> dict[str, int]:
    """How many of those keys each pod has."""
    return {pod: int(redis.command(pod, "hlen", "kept")) for pod in PODS}


@pytest.mark.essential
def test_services_go_on_without_redis_and_say_so(
    stack: Stack, redis: Redis, record_property: RecordProperty
) -> None:
    with stack.memories() as recorder:
        wait_until(lambda: wakeups(stack.namespace) == {(1, "SERVING")}, "wake-ups work")
        run_only(stack, range(0))
        wait_until(lambda: wakeups(stack.namespace) == {(0, "NOT_SERVING")}, "it is said")
        recorder.write_for(5)
        assert are_ready(stack.namespace)
        assert wakeups(stack.namespace) == {(0, "NOT_SERVING")}
        run_only(stack, range(3))
        redis.wait_until_whole()
        begun = time.monotonic()
        wait_until(lambda: wakeups(stack.namespace) == {(1, "SERVING")}, "they work again")
        record_property("seconds_until_reconnected", round(time.monotonic() - begun, 1))
        outcome = recorder.stop()

    record(outcome, record_property)
    record_property("slowest_call_seconds", round(outcome.slowest, 2))
    assert outcome.is_exact
    assert not outcome.failures
