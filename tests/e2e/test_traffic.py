"""Traffic in a whole installation: releases nobody notices, replicas that follow the load."""

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from tests.e2e.cluster import wait_until
from tests.e2e.helm import Values
from tests.e2e.pods import SUITE_TWIN, VERSION, is_ready
from tests.e2e.releaser import Releaser
from tests.e2e.stack import CONNECTION_AGE, SERVICES, Stack

_CRASHING = f"aeterna-redis:{VERSION}"  # it has no program called aeterna
_ROLLBACK_SECONDS = 10
_DRAIN = f"{CONNECTION_AGE + 10}s"  # until no connection to the old pods is left
_FEWEST, _MOST = 2, 5
_LEAST_SHARE = 0.1  # of the calls, for one of five pods
_AT_ONCE = [{"type": "Percent", "value": 100, "periodSeconds": 5}]
_LIVELY: Values = {
    "autoscaling": {
        "maxReplicas": _MOST,
        "behavior": {
            "scaleUp": {"policies": _AT_ONCE},
            "scaleDown": {"stabilizationWindowSeconds": 15, "policies": _AT_ONCE},
        },
    },
    "resources": {"requests": {"cpu": "50m"}},
}
Record = Callable[[str, Any], None]


@pytest.fixture(scope="module")
def releaser(ha_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Releaser:
    return Releaser.of(ha_stack.namespace, tmp_path_factory.mktemp("releaser") / "kubeconfig")


@pytest.mark.essential
def test_releases_and_a_rollback_fail_no_call_and_break_no_stream(
    stack: Stack, releaser: Releaser, record_property: Record
) -> None:
    with stack.memories(writers=2, pause=0.1) as recorder:  # the command needs a processor, too
        for service in ("memory", "sync"):
            before = color_of(stack, service)
            code, _, error = releaser.release(
                service,
                "--image",
                SUITE_TWIN,
                "--watch",
                "5s",
                "--drain",
                _DRAIN,
            )
            assert code == 0, error
            assert color_of(stack, service) != before
            assert scale_of(stack, service, before) == 0
        seconds = seconds_of_rollback(stack, releaser, "memory")
        outcome = recorder.stop()

    record_property("rollback_seconds", seconds)
    record_property("calls", outcome.acknowledged)
    record_property("slowest_seconds", outcome.slowest)
    assert outcome.is_exact
    assert outcome.failures == {}
    assert seconds <= _ROLLBACK_SECONDS


def test_a_candidate_that_crashes_never_gets_a_call(stack: Stack, releaser: Releaser) -> None:
    before = color_of(stack, "memory")
    with stack.memories() as recorder:
        code, _, error = releaser.release("memory", "--image", _CRASHING, "--deadline", "15s")
        outcome = recorder.stop()

    assert code == 5
    assert f"{before} is live" in error
    assert color_of(stack, "memory") == before
    assert outcome.is_exact
    assert outcome.failures == {}


def test_an_upgrade_never_moves_the_traffic(stack: Stack, releaser: Releaser) -> None:
    assert releaser.release("governance", "--watch", "1s", "--drain", "1s")[0] == 0
    colors = {name: color_of(stack, name) for name in SERVICES}
    running = {name: pods(stack, name) for name in SERVICES}

    stack.release.install()

    assert {name: color_of(stack, name) for name in SERVICES} == colors
    assert {name: pods(stack, name) for name in SERVICES} == running


@pytest.fixture
def lively(stack: Stack) -> Iterator[Stack]:
    """Memory scales from two pods to five, and fast."""
    stack.release.install({"aeterna": {"services": {"memory": _LIVELY}}})
    yield stack
    stack.release.install()


@pytest.mark.essential
def test_load_brings_replicas_that_share_it_and_go_when_it_ends(
    lively: Stack, record_property: Record
) -> None:
    with sampling(lambda: wanted(lively)) as samples:
        with lively.memories(writers=8, pause=0.02) as recorder:
            wait_until(lambda: len(pods(lively, "memory")) == _MOST, "five pods", 180)
            shares = shares_of_calls(lively)
            outcome = recorder.stop()
        wait_until(lambda: len(pods(lively, "memory")) == _FEWEST, "two pods", 180)

    record_property("shares", shares)
    record_property("wanted", samples)
    assert len(shares) == _MOST
    assert min(shares) > _LEAST_SHARE
    assert outcome.is_exact
    assert outcome.failures == {}
    peak = samples.index(max(samples))
    assert samples == sorted(samples[:peak]) + sorted(samples[peak:], reverse=True)


def color_of(stack: Stack, service: str) -> str:
    """The colour that clients reach."""
    return str(stack.namespace.get("service", service)["spec"]["selector"]["aeterna.io/color"])


def scale_of(stack: Stack, service: str, color: str) -> int:
    return int(stack.namespace.get("deployment", f"{service}-{color}")["spec"]["replicas"])


def pods(stack: Stack, service: str) -> list[str]:
    """Names of the ready ones."""
    query = f"--selector=aeterna.io/color,app.kubernetes.io/component={service}"
    return sorted(
        each["metadata"]["name"]
        for each in stack.namespace.get("pods", query)["items"]
        if is_ready(each)
    )


def seconds_of_rollback(stack: Stack, releaser: Releaser, service: str) -> float:
    """From the command, given while a release watches its new colour, to the traffic moved back."""
    before = color_of(stack, service)
    with releaser.releasing(service, "--image", SUITE_TWIN, "--watch", "90s"):
        wait_until(lambda: color_of(stack, service) != before, "the switch", 90)
        begun = time.monotonic()
        with releaser.releasing("rollback", service, "--drain", _DRAIN) as back:
            wait_until(lambda: color_of(stack, service) == before, "the way back", 60)
            seconds = time.monotonic() - begun
            assert back.wait(90) == 0
    return seconds


def wanted(stack: Stack) -> int:
    """How many pods the autoscaler of the live colour wants."""
    scaler = stack.namespace.get("hpa", f"memory-{color_of(stack, 'memory')}")
    return int(scaler["status"].get("desiredReplicas", 0))


def shares_of_calls(stack: Stack) -> list[float]:
    """Of each pod, among those that came after every client had time to find every pod."""
    names = pods(stack, "memory")
    time.sleep(CONNECTION_AGE * 1.2)
    before = [calls(stack, name) for name in names]
    time.sleep(10)
    made = [calls(stack, name) - then for name, then in zip(names, before, strict=True)]
    return [each / sum(made) for each in made]


def calls(stack: Stack, pod: str) -> float:
    """How many writes a pod has answered, by its metrics."""
    url = "http://127.0.0.1:9090/metrics"
    fetch = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
    text = stack.namespace("exec", pod, "--", "python3", "-c", fetch)
    counter = r'^aeterna_requests_total\{[^}]*method="CreateMemory"[^}]*\} (\S+)$'
    return sum(map(float, re.findall(counter, text, re.MULTILINE)))


@contextmanager
def sampling(value: Callable[[], int]) -> Iterator[list[int]]:
    """Looks every second; yields what was seen so far, without what did not change."""
    seen: list[int] = []
    stop = Event()

    def look() -> None:
        while not stop.wait(1):
            seen.append(value())

    thread = Thread(target=look)
    thread.start()
    changes: list[int] = []
    try:
        yield changes
    finally:
        stop.set()
        thread.join()
        changes += [number for number, _ in itertools.groupby(seen)]
