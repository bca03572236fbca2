"""What is done about anomalies: series are judged period by period, and what is found explained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.tenancy import Route
from libs.traffic import PERIOD, period_of
from services.governance.anomalies.domain.explanation import explain
from services.governance.anomalies.domain.series import (
    Anomaly,
    Metric,
    Traffic,
    Watch,
    restored,
    to_json,
)
from services.governance.anomalies.ports import AnomalyStore, Found

GRACE = timedelta(seconds=90)  # after a period, for all processes to write their counts down
_AROUND = timedelta(hours=1)


@dataclass(frozen=True)
class AnomalyOperations:
    """`new_id` gives ids that grow with the time."""

    store: AnomalyStore
    new_id: Callable[[], UUID]

    async def judge(self, route: Route, now: datetime) -> int:
        """Judges what has ended since the last time; how many anomalies were found."""
        return await self.store.advance(route, period_of(now - GRACE), self._judged)

    async def explain(self, route: Route, anomaly: UUID) -> tuple[str, Found, Sequence[Traffic]]:
        """An anomaly in words, and the traffic around it, as far as it is kept.

        Raises:
            AnomalyNotFound: As it says.
        """
        found = await self.store.get(route, anomaly)
        period = found.anomaly.period
        around = await self.store.traffic(route, period - _AROUND, period + _AROUND + PERIOD)
        return explain(found.anomaly), found, around

    def _judged(
        self,
        watches: Mapping[Metric, Watch],
        states: Mapping[Metric, Mapping[str, Any]],
        traffic: Sequence[Traffic],
    ) -> tuple[Mapping[Metric, Mapping[str, Any]], Sequence[Anomaly]]:
        after: dict[Metric, Mapping[str, Any]] = {}
        anomalies: list[Anomaly] = []
        for metric, watch in watches.items():
            after[metric], found = self._series(watch, states.get(metric, {}), traffic)
            anomalies += found
        return after, sorted(anomalies, key=lambda anomaly: anomaly.period)

    def _series(
        self, watch: Watch, known: Mapping[str, Any], traffic: Sequence[Traffic]
    ) -> tuple[Mapping[str, Any], Sequence[Anomaly]]:
        rule = watch.effective()
        detector = restored(rule, known.get("rule", {}), known.get("state", {}))
        anomalies = []
        for each in traffic:
            value = each.value(watch.metric)
            alarm = None if value is None else detector.update(each.period, value)
            if alarm and not watch.muted:
                anomalies.append(
                    Anomaly(self.new_id(), watch.metric, alarm, each.period, watch.rule)
                )
        return {"rule": to_json(rule), "state": detector.state()}, anomalies
