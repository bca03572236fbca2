"""A service's two colours in a Kubernetes namespace: seen and changed through the API alone.

Every change carries the version of what was seen, so that it fails when somebody else was faster.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import kr8s.asyncio
from kr8s.asyncio.objects import Pod as Kr8sPod

from cli.release.plan import Color, Deployed, Observed
from libs.errors import AppError, Kind

_COLOR, _SWITCHED = "aeterna.io/color", "aeterna.io/switched"
_PART_OF, _COMPONENT = "app.kubernetes.io/part-of", "app.kubernetes.io/component"
_INSTANCE = "app.kubernetes.io/instance"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"  # containers are merged by their names
_CONFLICT = 409

Manifest = dict[str, Any]


class NotReleasable(AppError):
    """The namespace does not hold what a release works on."""

    kind, reason = Kind.PRECONDITION, "NOT_RELEASABLE"

    def __init__(self, service: str, namespace: str) -> None:
        super().__init__(
            f"{namespace} has no active Service and blue and green Deployments of {service}.",
            service=service,
            namespace=namespace,
        )


class ClusterRefused(AppError):
    """The API server answered with an error."""

    kind, reason = Kind.DENIED, "CLUSTER_REFUSED"

    def __init__(self, message: str) -> None:
        super().__init__(f"The API server refuses: {message}", cause=message)


class ClusterUnavailable(AppError):
    """The API server cannot be reached, or is not itself at the moment."""

    kind, reason = Kind.UNAVAILABLE, "CLUSTER_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The API server does not answer; check kubeconfig and context.")


class Overtaken(AppError):
    """An object was changed by somebody else since it was seen: look again."""

    kind, reason = Kind.CONFLICT, "OVERTAKEN"

    def __init__(self) -> None:
        super().__init__("Somebody else changed the objects meanwhile.")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a colour."""

    name: str
    ready: bool
    restarts: int
    ports: dict[str, int]  # by name: grpc, metrics


class Target:
    """One service of one release of the chart. `observe` comes before any change."""

    def __init__(self, api: Any, service: str, instance: str = "") -> None:
        self.service = service
        self._api = api
        labels = {_PART_OF: "aeterna", _COMPONENT: service}
        if instance:
            labels[_INSTANCE] = instance
        self._labels = ",".join(f"{name}={value}" for name, value in labels.items())
        self._services: dict[str, Manifest] = {}
        self._deployments: dict[Color, Manifest] = {}

    async def observe(self) -> Observed:
        """What is there now.

        Raises:
            NotReleasable, ClusterRefused, ClusterUnavailable: As they say.
        """
        services = await self._list("v1", "services")
        self._services = {each["metadata"]["name"]: each for each in services}
        self._deployments = _by_color(await self._list("apps/v1", "deployments"))
        if len(self._deployments) < len(Color):
            raise NotReleasable(self.service, self._api.namespace)
        switched = self._active["metadata"].get("annotations", {}).get(_SWITCHED)
        return Observed(
            self._live,
            {color: _deployed(each, self.service) for color, each in self._deployments.items()},
            tuple(name for name in self._services if self._selects(name) is not self._due(name)),
            datetime.fromisoformat(switched) if switched else None,
        )

    async def align(self) -> None:
        """Makes the other Services follow the active one."""
        for name in self._services:
            if self._selects(name) is not self._due(name):
                await self._select(name, self._due(name))

    async def switch(self, to: Color, switched: datetime | None) -> None:
        """Moves the traffic; `switched` marks a release that has not ended."""
        name = self._active["metadata"]["name"]
        await self._select(name, to, {_SWITCHED: switched.isoformat() if switched else None})

    async def close(self) -> None:
        """Removes the mark."""
        name = self._active["metadata"]["name"]
        await self._select(name, self._live, {_SWITCHED: None})

    async def deploy(self, color: Color, image: str, replicas: int) -> None:
        """The image for every container that has the service's own; and so many replicas."""
        pod = self._deployments[color]["spec"]["template"]["spec"]
        own = _main_container(pod, self.service)["image"]
        changed = {
            kind: [
                {"name": each["name"], "image": image}
                for each in pod.get(kind, [])
                if each["image"] == own
            ]
            for kind in ("containers", "initContainers")
        }
        await self._change(color, {"replicas": replicas, "template": {"spec": changed}})

    async def scale_down(self, color: Color) -> None:
        """To no pod."""
        await self._change(color, {"replicas": 0})

    async def pods(self, color: Color) -> list[Pod]:
        """Those that are not about to end."""
        found = await self._list("v1", "pods", f",{_COLOR}={color}")
        return [_pod(each) for each in found if "deletionTimestamp" not in each["metadata"]]

    @asynccontextmanager
    async def forward(self, pod: Pod, port: int) -> AsyncIterator[str]:
        """An address on this machine that leads to a port of the pod, past any NetworkPolicy."""
        manifest = {"metadata": {"name": pod.name, "namespace": self._api.namespace}}
        forwarded: Any = Kr8sPod(manifest, api=self._api)
        async with forwarded.portforward(port, local_port="auto") as local:
            yield f"127.0.0.1:{local}"

    @property
    def _active(self) -> Manifest:
        active = [
            each
            for name, each in self._services.items()
            if not _is_preview(name) and not name.endswith("-headless")
        ]
        if len(active) != 1 or self._selects(active[0]["metadata"]["name"]) is None:
            raise NotReleasable(self.service, self._api.namespace)
        return active[0]

    @property
    def _live(self) -> Color:
        return Color(self._active["spec"]["selector"][_COLOR])

    def _selects(self, name: str) -> Color | None:
        color = self._services[name]["spec"].get("selector", {}).get(_COLOR)
        return Color(color) if color in list(Color) else None

    def _due(self, name: str) -> Color:
        return self._live.other if _is_preview(name) else self._live

    async def _list(self, version: str, kind: str, more: str = "") -> list[Manifest]:
        query = {"labelSelector": self._labels + more}
        answer = await self._call("GET", version, kind, params=query)
        items: list[Manifest] = answer["items"]
        return items

    async def _select(
        self, name: str, color: Color, annotations: dict[str, str | None] | None = None
    ) -> None:
        spec = {"selector": {_COLOR: color}}
        patch = {"metadata": {"annotations": annotations or {}}, "spec": spec}
        await self._patch("v1", "services", self._services[name], patch, _MERGE)

    async def _change(self, color: Color, spec: Manifest) -> None:
        seen = self._deployments[color]
        await self._patch("apps/v1", "deployments", seen, {"spec": spec}, _STRATEGIC)

    async def _patch(
        self, version: str, kind: str, seen: Manifest, patch: Manifest, content_type: str
    ) -> None:
        metadata = patch.setdefault("metadata", {})
        metadata["resourceVersion"] = seen["metadata"]["resourceVersion"]
        url = f"{kind}/{seen['metadata']['name']}"
        headers = {"Content-Type": content_type}
        await self._call("PATCH", version, url, json=patch, headers=headers)

    async def _call(self, method: str, version: str, url: str, **more: Any) -> Manifest:
        try:
            async with self._api.call_api(
                method, version=version, namespace=self._api.namespace, url=url, **more
            ) as response:
                answer: Manifest = response.json()
                return answer
        except kr8s.ServerError as error:
            raise _refusal(error) from error
        except (httpx.HTTPError, kr8s.APITimeoutError) as error:
            raise ClusterUnavailable from error


async def open_api(namespace: str | None, context: str | None) -> Any:
    """The API server of the kubeconfig, or of the cluster that this process runs in.

    Raises:
        ClusterUnavailable: There is neither.
    """
    try:
        return await kr8s.asyncio.api(namespace=namespace, context=context)
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise ClusterUnavailable from error


def _refusal(error: kr8s.ServerError) -> AppError:
    status = error.response.status_code if error.response is not None else 0
    if status == _CONFLICT:
        return Overtaken()
    return ClusterUnavailable() if status >= 500 else ClusterRefused(str(error))


def _is_preview(name: str) -> bool:
    return "-preview" in name


def _by_color(deployments: Iterable[Manifest]) -> dict[Color, Manifest]:
    labelled = ((each["metadata"]["labels"].get(_COLOR), each) for each in deployments)
    return {Color(color): each for color, each in labelled if color in list(Color)}


def _deployed(deployment: Manifest, service: str) -> Deployed:
    status, spec = deployment.get("status", {}), deployment["spec"]
    known = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    ready = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    image = _main_container(spec["template"]["spec"], service)["image"]
    return Deployed(image, spec["replicas"], ready if known else 0)


def _main_container(pod: Manifest, service: str) -> Manifest:
    containers: list[Manifest] = pod["containers"]
    return next((each for each in containers if each["name"] == service), containers[0])


def _pod(pod: Manifest) -> Pod:
    status = pod.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    restarts = sum(each["restartCount"] for each in status.get("containerStatuses", []))
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return Pod(pod["metadata"]["name"], conditions.get("Ready") == "True", restarts, ports)
