"""`helm install` of each profile, as docs/install.md has it: what comes up, and what stays."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import stack as stacks
from tests.e2e.cluster import ROOT, Cluster, wait_until
from tests.e2e.helm import Values, rendered
from tests.e2e.pods import SUITE_TWIN, is_leaving
from tests.e2e.postgres import Postgres
from tests.e2e.stack import SERVICES, Stack

_TWIN = {"aeterna": {"image": {"repository": SUITE_TWIN.rpartition(":")[0]}}}
_VALUES = [
    each
    for each in sorted((ROOT / "charts").glob("*/ci/*-values.yaml"))
    if each.parts[-3] != "aeterna-crds"  # holds nothing yet
]
_OF_OTHERS = re.compile("^apiVersion: (cert-manager.io|monitoring.coreos.com)/", re.MULTILINE)


@pytest.fixture
def dev(namespace: Cluster, cluster: Cluster) -> Stack:
    """The profile `dev`, installed."""
    stack = stacks.of_profile(namespace, cluster, "dev")
    stack.release.install()
    return stack


@pytest.mark.essential
def test_the_profile_ha_comes_up_whole_and_passes_its_own_test(stack: Stack) -> None:
    everything = stack.namespace.get("statefulsets")["items"]
    sizes = {each["metadata"]["name"]: each["status"]["readyReplicas"] for each in everything}
    deployments = stack.namespace.get("deployments", "--selector=aeterna.io/color")["items"]

    assert sizes == {"postgres": 3, "postgres-etcd": 3, "redis": 3}
    assert sum(each["status"].get("readyReplicas", 0) for each in deployments) == 2 * len(SERVICES)
    assert "SERVING" in stack.release.test()


@pytest.mark.parametrize("profile", ["dev", "small"])
def test_a_profile_comes_up_without_a_warning_and_passes_its_own_test(
    namespace: Cluster, cluster: Cluster, profile: str, record_property: Callable[[str, Any], None]
) -> None:
    stack = stacks.of_profile(namespace, cluster, profile)

    begun = time.monotonic()
    said = stack.release.install()
    record_property("install_seconds", round(time.monotonic() - begun, 1))

    assert "PodSecurity" not in said
    assert "SERVING" in stack.release.test()


@pytest.mark.essential
def test_an_upgrade_under_writes_loses_nothing_and_changes_no_secret(dev: Stack) -> None:
    before = secrets(dev.namespace)
    with dev.memories() as recorder:
        dev.release.install(_TWIN)
        outcome = recorder.stop()

    assert outcome.is_exact
    assert secrets(dev.namespace) == before
    assert images(dev.namespace) == {SUITE_TWIN}


@pytest.mark.essential
def test_what_was_uninstalled_comes_back_with_its_data(dev: Stack) -> None:
    with dev.sql() as recorder:
        written = recorder.stop().acknowledged
    before = secrets(dev.namespace)

    dev.release.uninstall()
    wait_until(lambda: not dev.namespace.get("pods")["items"], "the end of all pods", 120)
    assert secrets(dev.namespace) == before
    dev.release.install()

    rows = Postgres(dev.namespace).sql("postgres-0", "SELECT count(*) FROM recorded")
    assert int(rows) == written
    assert "SERVING" in dev.release.test()


def test_services_that_speak_mutual_tls_are_probed_and_answer(
    namespace: Cluster, cluster: Cluster, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path)
    namespace(
        "create", "secret", "generic", "certificate", "--type=kubernetes.io/tls",
        f"--from-file=tls.crt={certificate}", f"--from-file=tls.key={key}",
        f"--from-file=ca.crt={certificate}",
    )  # fmt: skip
    tls: Values = {"aeterna": {"tls": {"secret": "certificate", "mutual": True}}}
    stack = stacks.of_profile(namespace, cluster, "dev", tls)

    stack.release.install()

    assert "SERVING" in stack.release.test()


@pytest.mark.parametrize("values", _VALUES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_api_server_accepts_what_a_chart_renders(cluster: Cluster, values: Path) -> None:
    namespace = Cluster((*cluster.command, "--namespace=default"))
    documents = rendered(namespace, values.parts[-3], values)

    ours = [each for each in documents if "\nkind:" in each and not _OF_OTHERS.search(each)]
    assert ours
    namespace("apply", "--dry-run=server", "--filename=-", stdin="\n---\n".join(ours))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of all services that is its own authority, and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    names = ",".join(f"DNS:{name}" for name in SERVICES)
    subprocess.run(
        [
            "openssl", "req", "-x509", "-nodes", "-days=1", "-subj=/CN=aeterna",
            "-newkey=ec", "-pkeyopt=ec_paramgen_curve:P-256", f"-addext=subjectAltName={names}",
            f"-out={certificate}", f"-keyout={key}",
        ],
        check=True,
    )  # fmt: skip
    return certificate, key


def secrets(namespace: Cluster) -> dict[str, Any]:
    """What must never change, but for Helm's own records."""
    found = namespace.get("secrets", "--field-selector=type!=helm.sh/release.v1")["items"]
    return {each["metadata"]["name"]: each["data"] for each in found}


def images(namespace: Cluster) -> set[str]:
    """Of the services' pods that are to stay."""
    pods = namespace.get("pods", "--selector=aeterna.io/color")["items"]
    return {each["spec"]["containers"][0]["image"] for each in pods if not is_leaving(each)}
