"""gRPC servicer of anomalies: translates, nothing else."""

from typing import Any

from aeterna.governance.v1 import anomalies_pb2 as pb
from aeterna.governance.v1 import anomalies_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, parse
from libs.aip.filtering import Kind as FieldKind
from libs.aip.names import resource_id, resource_uuid
from libs.aip.paging import Page
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import caller
from libs.service.convert import asked, timestamp
from libs.service.pipeline import Context
from services.governance.anomalies.domain.adaptive import Adaptive
from services.governance.anomalies.domain.alarm import Kind, Severity
from services.governance.anomalies.domain.series import (
    COLLECTION,
    DETECTORS,
    Metric,
    Rule,
    Traffic,
    Watch,
)
from services.governance.anomalies.domain.sigma import SigmaRule
from services.governance.anomalies.errors import DetectorNotFound
from services.governance.anomalies.operations import AnomalyOperations
from services.governance.anomalies.ports import Found

_METRICS = {each: pb.Metric.Value(f"METRIC_{each.name}") for each in Metric}
_KINDS = {each: pb.AnomalyKind.Value(f"ANOMALY_KIND_{each.name}") for each in Kind}
_SEVERITIES = {each: pb.AnomalySeverity.Value(f"ANOMALY_SEVERITY_{each.name}") for each in Severity}
_FILTER = {
    "metric": Field("metric", FieldKind.ENUM, {each.value: each.value for each in Metric}),
    "kind": Field("kind", FieldKind.ENUM, {each.value: each.value for each in Kind}),
    "severity": Field("severity", FieldKind.ENUM, {each.value: each.value for each in Severity}),
    "period_time": Field("period", FieldKind.TIME),
}
_MUTABLE = ("rule", "floor", "muted")


class AnomalyServicer(pb_grpc.AnomalyServiceServicer):
    """`aeterna.governance.v1.AnomalyService` over the operations; reads go to the store."""

    def __init__(self, operations: AnomalyOperations, keyring: Keyring) -> None:
        self._do, self._store, self._keyring = operations, operations.store, keyring

    async def ListAnomalies(
        self, request: pb.ListAnomaliesRequest, context: Context
    ) -> pb.ListAnomaliesResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListAnomalies/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._store.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda each: each.anomaly.id)
        return pb.ListAnomaliesResponse(anomalies=map(_anomaly, shown), next_page_token=token)

    async def GetAnomaly(self, request: pb.GetAnomalyRequest, context: Context) -> pb.Anomaly:
        identity = resource_uuid(request.name, COLLECTION)
        return _anomaly(await self._store.get(caller().route, identity))

    async def ExplainAnomaly(
        self, request: pb.ExplainAnomalyRequest, context: Context
    ) -> pb.ExplainAnomalyResponse:
        identity = resource_uuid(request.name, COLLECTION)
        text, found, around = await self._do.explain(caller().route, identity)
        points = [_point(each, found.anomaly.metric) for each in around]
        return pb.ExplainAnomalyResponse(
            text=text, anomaly=_anomaly(found), points=[each for each in points if each]
        )

    async def ListAnomalyDetectors(
        self, request: pb.ListAnomalyDetectorsRequest, context: Context
    ) -> pb.ListAnomalyDetectorsResponse:
        watches = await self._store.watches(caller().route)
        return pb.ListAnomalyDetectorsResponse(anomaly_detectors=map(_detector, watches.values()))

    async def UpdateAnomalyDetector(
        self, request: pb.UpdateAnomalyDetectorRequest, context: Context
    ) -> pb.AnomalyDetector:
        current, given = caller(), request.anomaly_detector
        metric = _metric(resource_id(given.name, DETECTORS, "anomaly_detector.name"))
        changes = _changes(given, list(request.update_mask.paths))
        by = await asked(current, self._keyring, "UpdateAnomalyDetector", request)
        return _detector(
            await self._store.update(current.route, by, metric, given.version, changes)
        )


def _metric(name: str) -> Metric:
    for metric in Metric:
        if metric.label == name:
            return metric
    raise DetectorNotFound(name)


def _changes(message: pb.AnomalyDetector, paths: list[str]) -> dict[str, Any]:
    """The values that an update replaces: those of the mask, or those that are set."""
    values = {"rule": _rule(message), "floor": message.floor, "muted": message.muted}
    for path in paths:
        if path not in (*_MUTABLE, "*", "adaptive", "sigma"):
            raise invalid("update_mask", f"may name {', '.join(_MUTABLE)} only")
    named = {"rule" if path in ("adaptive", "sigma") else path for path in paths}
    names = set(_MUTABLE) if "*" in named else named or {name for name in values if values[name]}
    if not names:
        raise invalid("update_mask", "nothing to update")
    return {name: values[name] or _UNSET[name] for name in names}


_UNSET: dict[str, Any] = {"rule": Adaptive(), "floor": 0.0, "muted": False}


def _rule(message: pb.AnomalyDetector) -> Rule | None:
    match message.WhichOneof("rule"):
        case "adaptive":
            return Adaptive(message.adaptive.sensitivity or 1.0)
        case "sigma":
            return SigmaRule(message.sigma.window or 100, message.sigma.factor or 2.0)
    return None


def _detector(watch: Watch) -> pb.AnomalyDetector:
    message = pb.AnomalyDetector(
        name=watch.name,
        version=watch.version,
        floor=watch.rule.floor,
        muted=watch.muted,
        update_time=timestamp(watch.updated_at) if watch.updated_at else None,
    )
    if isinstance(watch.rule, Adaptive):
        message.adaptive.sensitivity = watch.rule.sensitivity
    else:
        message.sigma.window, message.sigma.factor = watch.rule.window, watch.rule.factor
    return message


def _anomaly(found: Found) -> pb.Anomaly:
    anomaly, alarm = found.anomaly, found.anomaly.alarm
    return pb.Anomaly(
        name=f"{COLLECTION}/{anomaly.id}",
        metric=_METRICS[anomaly.metric],
        kind=_KINDS[alarm.kind],
        severity=_SEVERITIES[alarm.severity],
        observed=alarm.value,
        expected=alarm.expected,
        score=alarm.score,
        since_time=timestamp(alarm.since),
        period_time=timestamp(anomaly.period),
        change_number=found.number,
    )


def _point(traffic: Traffic, metric: Metric) -> pb.SeriesPoint | None:
    value = traffic.value(metric)
    if value is None:
        return None
    return pb.SeriesPoint(period_time=timestamp(traffic.period), value=value)
