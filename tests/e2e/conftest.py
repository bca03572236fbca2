"""A real cluster for the tests of this folder: one that you name, else the node of this repository.

`pytest tests/e2e` runs them; without naming the folder they are not collected.
"""

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, Cluster, given_cluster, own_cluster

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
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-50:].strip("-")
    with cluster.namespace(f"e2e-{name}") as namespace:
        yield namespace
        if request.node.stash.get(_FAILED, False):
            namespace.save_logs(LOGS / name)
