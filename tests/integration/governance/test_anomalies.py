"""Anomalies as a tenant meets them: found in its traffic, told, explained, configured."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from aeterna.governance.v1 import anomalies_pb2 as pb
from aeterna.governance.v1 import audit_pb2
from libs.aip.ids import Uuid7
from libs.auth import Role
from libs.spine import read, writing
from libs.tenancy import Route, ShardId, TenantId
from libs.tenancy.directory import open_directory
from libs.traffic import PERIOD, open_traffic, period_of
from libs.wakeups.settings import WakeupSettings, open_wakeups
from services.governance.anomalies.operations import GRACE, AnomalyOperations
from services.governance.anomalies.store import PostgresAnomalies
from tests.databases import SHARD
from tests.errors import fails_with
from tests.eventually import eventually
from tests.suite import Metadata, Suite

_NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
_PUT = """
    INSERT INTO aeterna.traffic (tenant_id, period, calls, failures, seconds)
    SELECT $1, t.period, t.calls, t.failures, t.seconds
    FROM unnest($2::timestamptz[], $3::bigint[], $4::bigint[], $5::float8[])
        AS t (period, calls, failures, seconds)
"""
_USE = """
    INSERT INTO aeterna.usage_event (tenant_id, number, used_at, service, kind, model, org_id,
        team_id, project_id, quantity, estimated, amount, currency, prices)
    VALUES ($1, $2, $3, 'memory', $5, 'm', '', '', '', 1, false, $4, 'USD', '1')
"""


class Watched:
    """A tenant with traffic, and the part that judges it."""

    def __init__(self, suite: Suite, operations: AnomalyOperations, route: Route) -> None:
        self.suite, self._operations, self.route = suite, operations, route
        self.metadata: Metadata = suite.auth(route.tenant)
        self.now = _NOW

    async def call(self, calls: Sequence[int], *, failures: int = 0, seconds: float = 0.01) -> None:
        """Traffic of the next periods; time goes on by them."""
        begin = period_of(self.now)
        periods = [begin + PERIOD * place for place in range(len(calls))]
        async with writing(self.route) as write:
            spent = [seconds * each for each in calls]
            write.add(_PUT, periods, list(calls), [failures] * len(calls), spent)
        self.now = begin + PERIOD * len(calls) + GRACE

    async def judge(self) -> int:
        return await self._operations.judge(self.route, self.now)

    async def anomalies(self, where: str = "") -> list[pb.Anomaly]:
        request = pb.ListAnomaliesRequest(filter=where)
        found = await self.suite.anomalies.ListAnomalies(request, metadata=self.metadata)
        return list(found.anomalies)

    async def explain(self, name: str) -> pb.ExplainAnomalyResponse:
        request = pb.ExplainAnomalyRequest(name=name)
        return await self.suite.anomalies.ExplainAnomaly(request, metadata=self.metadata)

    async def configure(
        self, detector: pb.AnomalyDetector, *paths: str, request_id: str = ""
    ) -> pb.AnomalyDetector:
        request = pb.UpdateAnomalyDetectorRequest(anomaly_detector=detector, request_id=request_id)
        request.update_mask.paths.extend(paths)
        return await self.suite.anomalies.UpdateAnomalyDetector(request, metadata=self.metadata)

    async def detectors(self) -> dict[str, pb.AnomalyDetector]:
        request = pb.ListAnomalyDetectorsRequest()
        found = await self.suite.anomalies.ListAnomalyDetectors(request, metadata=self.metadata)
        return {each.name: each for each in found.anomaly_detectors}


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service itself does not look while a test runs."""
    monkeypatch.setenv("GOVERNANCE_ANOMALY_INTERVAL", "PT1H")


@pytest.fixture
async def watched(suite: Suite, pool: asyncpg.Pool) -> Watched:
    await suite.create_tenant("acme")
    async with open_directory(suite.database.settings()) as directory:
        wakeups = open_wakeups(WakeupSettings(transport="none"), directory.control)
        async with wakeups as opened:
            operations = AnomalyOperations(PostgresAnomalies(opened), Uuid7())
            return Watched(suite, operations, Route(TenantId("acme"), ShardId(SHARD), 1, pool))


def usual(count: int) -> list[int]:
    return [100 + place % 5 for place in range(count)]


async def test_a_spike_is_told_everywhere(watched: Watched) -> None:
    await watched.call([*usual(300), 900])

    assert await watched.judge() == 1

    (anomaly,) = await watched.anomalies()
    assert anomaly.metric == pb.METRIC_VOLUME
    assert anomaly.kind == pb.ANOMALY_KIND_SPIKE
    assert anomaly.severity == pb.ANOMALY_SEVERITY_HIGH
    assert anomaly.observed == 900
    assert 95 <= anomaly.expected <= 110
    rows = await read(watched.route, "SELECT * FROM aeterna.alert WHERE tenant_id = $1")
    assert [(row["kind"], row["resource"]) for row in rows] == [("anomaly.volume", anomaly.name)]
    request = audit_pb2.ListAuditEntriesRequest(filter=f'resource = "{anomaly.name}"')
    listed = await watched.suite.audit.ListAuditEntries(request, metadata=watched.metadata)
    (entry,) = listed.entries
    assert dict(entry.details) == {"metric": "volume", "kind": "spike"}
    assert entry.change.number == anomaly.change_number


async def test_an_anomaly_is_explained(watched: Watched) -> None:
    await watched.call([*usual(300), 900])
    await watched.judge()
    (anomaly,) = await watched.anomalies()

    found = await watched.explain(anomaly.name)

    assert "was 900" in found.text
    assert "a spike of high severity" in found.text
    assert found.anomaly == anomaly
    assert found.points[-1].value == 900
    assert len(found.points) == 13


async def test_calls_that_stop_are_found(watched: Watched) -> None:
    await watched.call(usual(300))
    watched.now += 3 * PERIOD  # nobody calls

    await watched.judge()

    (anomaly,) = await watched.anomalies("metric = volume")
    assert (anomaly.observed, anomaly.metric) == (0, pb.METRIC_VOLUME)


async def test_errors_and_latency_are_series_of_their_own(watched: Watched) -> None:
    await watched.call(usual(300))
    await watched.call([100], failures=60)
    await watched.call(usual(120))
    await watched.call([100], seconds=3.0)

    await watched.judge()

    found = {anomaly.metric: anomaly.observed for anomaly in await watched.anomalies()}
    assert found == {pb.METRIC_ERROR_RATE: 0.6, pb.METRIC_LATENCY: 3000}


async def test_what_calls_cost_is_a_series(watched: Watched) -> None:
    begin = period_of(watched.now)
    await watched.call(usual(301))
    costs = [*(0.5 + place % 3 / 100 for place in range(300)), 40.0]
    async with writing(watched.route) as write:
        for place, cost in enumerate(costs):
            write.add(_USE, place + 1, begin + PERIOD * place, Decimal(str(cost)), "input_tokens")
        write.add(_USE, 1000, begin + PERIOD * 100, Decimal(900), "vector_hours")

    await watched.judge()

    (anomaly,) = await watched.anomalies()
    assert (anomaly.metric, anomaly.observed) == (pb.METRIC_COST, 40.0)


async def test_every_period_is_judged_once_wherever_it_ends(watched: Watched) -> None:
    series = [*usual(300), 900, *usual(50)]
    for begin in range(0, len(series), 45):
        await watched.call(series[begin : begin + 45])
        await watched.judge()
        assert await watched.judge() == 0

    assert len(await watched.anomalies()) == 1


async def test_a_muted_series_learns_and_raises_nothing(watched: Watched) -> None:
    await watched.configure(pb.AnomalyDetector(name="anomalyDetectors/volume", muted=True))
    await watched.call([*usual(300), 900, *usual(200)])
    await watched.judge()
    assert await watched.anomalies() == []

    unmuted = pb.AnomalyDetector(name="anomalyDetectors/volume", muted=False)
    await watched.configure(unmuted, "muted")
    await watched.call([2000])
    await watched.judge()

    assert [each.observed for each in await watched.anomalies()] == [2000]


async def test_the_plain_rule_is_there_for_who_wants_it(watched: Watched) -> None:
    detector = pb.AnomalyDetector(name="anomalyDetectors/volume", floor=10)
    detector.sigma.factor, detector.sigma.window = 3, 20
    changed = await watched.configure(detector)
    assert (changed.sigma.factor, changed.sigma.window, changed.version) == (3, 20, 1)

    await watched.call([*usual(30), 115, 109])
    await watched.judge()

    (anomaly,) = await watched.anomalies()
    assert anomaly.observed == 115
    assert "3 standard deviations over the 20" in (await watched.explain(anomaly.name)).text


async def test_detectors_are_as_usual_until_changed(watched: Watched) -> None:
    found = await watched.detectors()

    names = [f"anomalyDetectors/{each}" for each in ("volume", "error-rate", "latency", "cost")]
    assert list(found) == names
    assert all(each.adaptive.sensitivity == 1 and not each.version for each in found.values())


async def test_a_change_is_checked_and_made_once(watched: Watched) -> None:
    request_id = str(uuid4())
    detector = pb.AnomalyDetector(name="anomalyDetectors/latency")
    detector.adaptive.sensitivity = 2

    first = await watched.configure(detector, request_id=request_id)
    assert await watched.configure(detector, request_id=request_id) == first
    assert (first.version, first.adaptive.sensitivity) == (1, 2)
    detector.version = 7
    with fails_with("VERSION_MISMATCH"):
        await watched.configure(detector)
    with fails_with("INVALID_REQUEST", "update_mask"):
        await watched.configure(pb.AnomalyDetector(name="anomalyDetectors/latency"))
    with fails_with("INVALID_REQUEST", "update_mask"):
        await watched.configure(detector, "version")
    with fails_with("INVALID_REQUEST", "anomaly_detector.adaptive.sensitivity"):
        detector.adaptive.sensitivity = 1000
        await watched.configure(detector)
    with fails_with("ANOMALY_DETECTOR_NOT_FOUND"):
        await watched.configure(pb.AnomalyDetector(name="anomalyDetectors/weather", muted=True))
    assert (await watched.detectors())["anomalyDetectors/latency"] == first


async def test_only_administrators_configure(watched: Watched) -> None:
    watched.metadata = watched.suite.auth("acme", "bob", (Role.DEVELOPER,))

    assert len(await watched.detectors()) == 4
    with fails_with("PERMISSION_DENIED"):
        await watched.configure(pb.AnomalyDetector(name="anomalyDetectors/volume", muted=True))


async def test_another_tenant_sees_nothing(watched: Watched) -> None:
    await watched.call([*usual(300), 900])
    await watched.judge()
    (anomaly,) = await watched.anomalies()
    watched.metadata = await watched.suite.create_tenant("bolt")

    assert await watched.anomalies() == []
    with fails_with("ANOMALY_NOT_FOUND"):
        await watched.explain(anomaly.name)
    with fails_with("ANOMALY_NOT_FOUND"):
        request = pb.GetAnomalyRequest(name=anomaly.name)
        await watched.suite.anomalies.GetAnomaly(request, metadata=watched.metadata)


async def test_pages_follow_one_another(watched: Watched) -> None:
    series = usual(2000)
    for place in (400, 800, 1200, 1600):
        series[place] = 3000
    await watched.call(series)
    await watched.judge()
    everything = await watched.anomalies()

    names: list[str] = []
    token = ""
    while True:
        request = pb.ListAnomaliesRequest(page_size=2, page_token=token)
        page = await watched.suite.anomalies.ListAnomalies(request, metadata=watched.metadata)
        names += [each.name for each in page.anomalies]
        token = page.next_page_token
        if not token:
            break

    assert len(names) >= 3
    assert names == [each.name for each in everything]
    assert names == sorted(names, key=lambda name: UUID(name.split("/")[1]), reverse=True)


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted is written after a moment."""
    soon = partial(open_traffic, interval=timedelta(milliseconds=100))
    monkeypatch.setattr("libs.service.platform.open_traffic", soon)


@pytest.mark.usefixtures("prompt")
async def test_calls_are_counted_for_their_tenant(suite: Suite, pool: asyncpg.Pool) -> None:
    """Through the real pipeline; what the caller does wrong is no failure."""
    metadata = await suite.create_tenant("acme")
    route = Route(TenantId("acme"), ShardId(SHARD), 1, pool)
    stub = suite.anomalies
    for _ in range(3):
        await stub.ListAnomalies(pb.ListAnomaliesRequest(), metadata=metadata)
    with fails_with("ANOMALY_NOT_FOUND"):
        name = f"anomalies/{uuid4()}"
        await stub.GetAnomaly(pb.GetAnomalyRequest(name=name), metadata=metadata)

    async def written() -> bool:
        sql = "SELECT calls, failures, seconds FROM aeterna.traffic WHERE tenant_id = $1"
        rows = await read(route, sql)
        return sum(row["calls"] for row in rows) >= 4 and not any(row["failures"] for row in rows)

    await eventually(written)


async def test_counts_are_added_up_over_processes(suite: Suite, pool: asyncpg.Pool) -> None:
    await suite.create_tenant("acme")
    async with open_directory(suite.database.settings()) as directory:
        for _ in range(2):
            async with open_traffic(directory, lambda: _NOW, timedelta(hours=1)) as traffic:
                traffic.count(TenantId("acme"), 0.25, failed=True)

    route = Route(TenantId("acme"), ShardId(SHARD), 1, pool)
    sql = (
        "SELECT calls, failures, seconds FROM aeterna.traffic WHERE tenant_id = $1 AND period = $2"
    )
    rows = await read(route, sql, period_of(_NOW))
    assert [tuple(row) for row in rows] == [(2, 2, 0.5)]
