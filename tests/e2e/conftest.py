"""A real cluster for the tests of this folder: one that you name, else the node of this repository.

`pytest tests/e2e` runs them; without naming the folder they are not collected.
"""

import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import faults
from tests.e2e import stack as stacks
from tests.e2e.cluster import ROOT, Cluster, given_cluster, own_cluster
from tests.e2e.postgres import Postgres
from tests.e2e.stack import Stack
from tests.e2e.workload import Outcome, OutcomeOf, Recorder

LOGS = ROOT / "e2e-logs"
_FAILED = pytest.StashKey[bool]()


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A cluster is too much for those who did not ask for it."""
    return None if any("e2e" in Path(each).parts for each in config.args) else True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of this run."""
    return given_cluster() or own_cluster()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace of the test's own; when the test fails its logs are in e2e-logs/."""
    with cluster.namespace(f"e2e-{_name(request)}") as namespace:
        yield namespace
        _keep_logs(namespace, request)


@pytest.fixture(scope="session")
def ha_stack(cluster: Cluster) -> Iterator[Stack]:
    """The profile `ha`, installed once for all tests that leave it as they found it."""
    faults.start(cluster)
    with cluster.namespace("e2e-ha") as namespace:
        stack = stacks.of_profile(namespace, cluster, "ha")
        stack.release.install()
        yield stack


@pytest.fixture
def stack(ha_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The shared one; when the test fails its logs are in e2e-logs/."""
    yield ha_stack
    _keep_logs(ha_stack.namespace, request)


@pytest.fixture
def keep_logs(request: pytest.FixtureRequest) -> Iterator[Callable[[Cluster], None]]:
    """To be called with a namespace that several tests share: when this one fails, as above."""
    namespaces: list[Cluster] = []
    yield namespaces.append
    for each in namespaces:
        _keep_logs(each, request)


@pytest.fixture
def postgres(stack: Stack) -> Iterator[Postgres]:
    """The stack's members, which are all well before the test and after it."""
    postgres = Postgres(stack.namespace)
    postgres.wait_until_whole(120)
    yield postgres
    postgres.wait_until_whole(120)


@pytest.fixture
def outcome_of(record_property: Callable[[str, object], None]) -> OutcomeOf:
    """Stops a recorder, whose figures are in the report of the tests then; it has to be exact."""

    def outcome_of(recorder: Recorder) -> Outcome:
        outcome = recorder.stop()
        for figure in ("acknowledged", "gap", "acknowledgement_gap", "slowest"):
            record_property(f"{recorder.name} {figure}", round(getattr(outcome, figure), 1))
        assert outcome.is_exact, outcome
        return outcome

    return outcome_of


def _keep_logs(namespace: Cluster, request: pytest.FixtureRequest) -> None:
    if request.node.stash.get(_FAILED, False):
        folder = LOGS / _name(request)
        shutil.rmtree(folder, ignore_errors=True)
        namespace.save_logs(folder)


def _name(request: pytest.FixtureRequest) -> str:
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-50:].strip("-")
