"""What the charts say about the services has to be true of the services.

Reads k8s/, which is charts/aeterna rendered with few values and with everything switched on
(scripts/charts sees that it is current), and the settings classes; needs no cluster and no helm.
"""

import importlib
import json
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.endpoints import SERVICES
from tests.architecture.test_repository import environment_of

RENDERED = ("minimal", "full")
PROBES = ("startup", "readiness", "liveness")
# What a Secret holds has to be of a kind that the service can read.
SECRETS = {"url": "redis://:secret@redis:6379"}

Manifest = dict[str, Any]


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def manifests(root: Path, name: str, kind: str) -> list[Manifest]:
    texts = (root / "k8s" / f"{name}.yaml").read_text()
    return [each for each in yaml.safe_load_all(texts) if each and each["kind"] == kind]


def named(root: Path, rendered: str, kind: str, name: str) -> Manifest:
    found = manifests(root, rendered, kind)
    return next(each for each in found if each["metadata"]["name"] == name)


def pod_of(root: Path, rendered: str, service: str) -> Manifest:
    deployment = named(root, rendered, "Deployment", f"{service}-blue")
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def environment(container: Manifest) -> dict[str, str]:
    """As the container would see it, with something in place of what Secrets hold."""
    return {each["name"]: each.get("value") or _secret(each) for each in container["env"]}


def _secret(variable: Manifest) -> str:
    return SECRETS.get(variable["valueFrom"]["secretKeyRef"]["key"], "from a Secret")


def settings_class(service: str) -> Any:
    return importlib.import_module(f"services.{service}.settings").Settings


@pytest.mark.parametrize("rendered", RENDERED)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_every_variable_that_the_chart_sets(
    root: Path, rendered: str, service: str
) -> None:
    container = pod_of(root, rendered, service)["containers"][0]

    known = set(environment_of(settings_class(service)))

    assert set(environment(container)) - known == set()


@pytest.mark.parametrize("rendered", RENDERED)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_what_the_chart_sets(
    root: Path, rendered: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = pod_of(root, rendered, service)
    container = pod["containers"][0]
    for name, value in environment(container).items():
        monkeypatch.setenv(name, value)

    settings = settings_class(service)()

    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert container["args"] == ["serve", service]
    assert settings.server.address == f"0.0.0.0:{ports['grpc']}"
    assert settings.server.metrics_port == ports["metrics"]
    assert settings.platform.control.user == "aeterna_" + (
        "control" if service == "governance" else "app"
    )
    assert ports.get("web") == (8080 if service == "sync" else None)
    if service == "sync":
        assert settings.web.address == f"0.0.0.0:{ports['web']}"
    probed = {container[f"{probe}Probe"]["grpc"]["port"] for probe in PROBES}
    assert probed == {settings.server.health_port or ports["grpc"]}
    drain, patience = settings.server.drain_delay, pod["terminationGracePeriodSeconds"]
    assert drain > timedelta(0)
    assert drain + settings.server.shutdown_grace < timedelta(seconds=patience)


@pytest.mark.parametrize("rendered", RENDERED)
def test_what_a_service_reads_is_mounted(root: Path, rendered: str) -> None:
    for service in SERVICES:
        container = pod_of(root, rendered, service)["containers"][0]
        mounted = tuple(f"{each['mountPath']}/" for each in container["volumeMounts"])
        files = [path for text in environment(container).values() for path in paths(text)]

        assert files
        assert [path for path in files if not path.startswith(mounted)] == []


def paths(value: str) -> Iterator[str]:
    """The files that a variable names: its whole value, or fields of its JSON."""
    values = [value]
    if value.startswith("["):
        objects = [each for each in json.loads(value) if isinstance(each, dict)]
        values = [each for issuer in objects for each in issuer.values()]
    return (each for each in values if isinstance(each, str) and each.startswith("/"))


def test_the_ingress_knows_every_service_of_the_contract(root: Path) -> None:
    ingress = named(root, "full", "Ingress", "aeterna")
    paths = ingress["spec"]["rules"][0]["http"]["paths"]

    routed = {each["path"].strip("/"): each["backend"]["service"]["name"] for each in paths}

    # Long-running operations are those of the memory service.
    assert routed.pop("google.longrunning.Operations") == "memory"
    assert routed == {name: name.split(".")[1] for name in contract(root)}


def contract(root: Path) -> Iterator[str]:
    """Full names of the gRPC services."""
    for proto in (root / "protos" / "aeterna").rglob("*.proto"):
        lines = proto.read_text().splitlines()
        package = next(line.split()[1].rstrip(";") for line in lines if line.startswith("package"))
        yield from (f"{package}.{line.split()[1]}" for line in lines if line.startswith("service"))


def test_every_chart_refuses_values_that_it_does_not_know(root: Path) -> None:
    charts = [path.parent for path in (root / "charts").glob("*/Chart.yaml")]
    schemas = {each.name: json.loads((each / "values.schema.json").read_text()) for each in charts}

    assert schemas
    assert [name for name, each in schemas.items() if each["additionalProperties"]] == []


def test_every_chart_has_the_version_of_the_suite(root: Path) -> None:
    charts = [yaml.safe_load(path.read_text()) for path in (root / "charts").glob("*/Chart.yaml")]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    assert charts
    assert {each["version"] for each in charts} == {project["version"]}
    assert {each["appVersion"] for each in charts} == {project["version"]}
