"""Whether the pods of a colour are fit for traffic: what they say of themselves, and their errors.

Pods are reached through the API server, so that nothing but it has to be in reach.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import grpc
import httpx
from prometheus_client.parser import text_string_to_metric_families

from cli.health import ask
from cli.release.cluster import Pod, Target
from cli.release.plan import Color
from libs.clients import Tls

_REQUESTS = "aeterna_requests"
_FAULTS = {
    code.name
    for code in (
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNAVAILABLE,
    )
}  # the service's, not its callers'
_TOLERATED = 2  # faults that say nothing yet, however few calls there were
_SECONDS = 5.0  # for the metrics of one pod


@dataclass(frozen=True, slots=True)
class Calls:
    """How many have ended, and how many of them by a fault of the service."""

    ended: int = 0
    faults: int = 0

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(self.ended + other.ended, self.faults + other.faults)

    def __sub__(self, other: "Calls") -> "Calls":
        return Calls(self.ended - other.ended, self.faults - other.faults)


@dataclass(frozen=True, slots=True)
class Report:
    """What one pod says; `status` is NOT_READY for one that was not asked. No metrics: no calls."""

    status: str
    restarts: int
    calls: Calls | None = None

    @property
    def ready(self) -> bool:
        return self.status != NOT_READY


NOT_READY = "NOT_READY"
Reports = Mapping[str, Report]  # by the pods' names


def judge(first: Reports, now: Reports, max_errors: float) -> str:
    """Why the pods are not fit for traffic; empty if they are.

    Args:
        first: What they said when they were first asked; faults before that do not count.
        max_errors: The share of calls that may end by a fault of the service.
    """
    if not any(report.ready for report in now.values()):
        return "no pod is ready"
    complaints = (_complaint(name, first.get(name), report) for name, report in now.items())
    if complaint := next(filter(None, complaints), ""):
        return complaint
    calls = sum((_since(first.get(name), report) for name, report in now.items()), Calls())
    if calls.faults > max(_TOLERATED, max_errors * calls.ended):
        return f"{calls.faults} of {calls.ended} calls failed"
    return ""


def _complaint(name: str, before: Report | None, report: Report) -> str:
    if before and report.restarts > before.restarts:
        return f"{name} has restarted"
    if not report.ready:  # a pod that is new still may
        return f"{name} is no longer ready" if before and before.ready else ""
    if report.status != "SERVING":
        return f"{name} is {report.status}"
    return "" if report.calls else f"{name} has no metrics"


def _since(before: Report | None, report: Report) -> Calls:
    return (report.calls or Calls()) - ((before and before.calls) or Calls())


def count_calls(metrics: str) -> Calls | None:
    """The calls in the metrics of a pod; None when they are not those of a service."""
    families = {each.name: each for each in text_string_to_metric_families(metrics)}
    if _REQUESTS not in families:
        return None
    samples = [each for each in families[_REQUESTS].samples if each.name.endswith("_total")]
    faults = sum(each.value for each in samples if each.labels["code"] in _FAULTS)
    return Calls(int(sum(each.value for each in samples)), int(faults))


async def ask_pods(target: Target, color: Color, tls: Tls | None) -> Reports:
    """What every pod of the colour says."""
    pods = await target.pods(color)
    reports = await asyncio.gather(*(_ask(target, pod, tls) for pod in pods))
    return dict(zip((pod.name for pod in pods), reports, strict=True))


async def _ask(target: Target, pod: Pod, tls: Tls | None) -> Report:
    if not pod.ready:
        return Report(NOT_READY, pod.restarts)
    status, calls = await asyncio.gather(_status(target, pod, tls), _calls(target, pod))
    return Report(status, pod.restarts, calls)


async def _status(target: Target, pod: Pod, tls: Tls | None) -> str:
    async with target.forward(pod, pod.ports["grpc"]) as address:
        named = tls and replace(tls, server_name=target.service)
        return (await ask(target.service, address, named)).status


async def _calls(target: Target, pod: Pod) -> Calls | None:
    try:
        async with (
            target.forward(pod, pod.ports["metrics"]) as address,
            httpx.AsyncClient(timeout=_SECONDS) as client,
        ):
            return count_calls((await client.get(f"http://{address}/metrics")).text)
    except httpx.HTTPError:
        return None
