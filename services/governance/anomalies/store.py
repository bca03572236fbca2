"""Anomalies, detectors and what they know in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.alerts import Alert, Facts, raise_alert
from libs.alerts import Severity as AlertSeverity
from libs.changes import Asked, Change, Operation, Origin
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.traffic import PERIOD
from libs.wakeups import Wakeups
from services.governance.anomalies.domain.alarm import Alarm, Kind, Severity
from services.governance.anomalies.domain.series import (
    COLLECTION,
    Anomaly,
    Metric,
    Traffic,
    Watch,
    from_json,
    to_json,
    usual,
)
from services.governance.anomalies.errors import AnomalyNotFound, DetectorVersionMismatch
from services.governance.anomalies.ports import Changes, Found, Judge

_ORIGIN = Origin("system:anomalies")
_KEPT = timedelta(days=2)  # traffic, after it was judged
_AT_ONCE = 2016  # periods, a week: who has not been judged for longer goes on from there
_COLUMNS = "id, metric, kind, severity, value, expected, score, since, period, rule, number"
_WATCHES = """
    SELECT metric, rule, muted, version, updated_at
    FROM aeterna.anomaly_detector WHERE tenant_id = $1
"""
_PUT_WATCH = """
    INSERT INTO aeterna.anomaly_detector
        (tenant_id, metric, rule, muted, version, number, updated_at)
    VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, metric) DO UPDATE SET rule = excluded.rule, muted = excluded.muted,
        version = excluded.version, number = excluded.number, updated_at = excluded.updated_at
"""
_GET = f"SELECT {_COLUMNS} FROM aeterna.anomaly WHERE tenant_id = $1 AND id = $2"
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.anomaly
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_ADD = f"""
    INSERT INTO aeterna.anomaly (tenant_id, {_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12)
"""
# Money of calls: what is stored is charged once an hour, which says nothing of five minutes.
_TRAFFIC = """
    SELECT period, sum(calls)::bigint, sum(failures)::bigint, sum(seconds), sum(cost) FROM (
        SELECT period, calls, failures, seconds, 0::float8 AS cost FROM aeterna.traffic
        WHERE tenant_id = $1 AND period >= $2 AND period < $3
        UNION ALL
        SELECT date_bin('5 minutes', used_at, '1970-01-01Z'), 0, 0, 0, amount::float8
        FROM aeterna.usage_event
        WHERE tenant_id = $1 AND used_at >= $2 AND used_at < $3 AND amount IS NOT NULL
            AND kind = ANY('{embedding_tokens,input_tokens,output_tokens,requests}')
            AND currency = (SELECT currency FROM aeterna.usage_event WHERE tenant_id = $1
                ORDER BY number DESC LIMIT 1)
    ) AS p GROUP BY period ORDER BY period
"""
_FIRST = "SELECT min(period) FROM aeterna.traffic WHERE tenant_id = $1"
_FORGET = "DELETE FROM aeterna.traffic WHERE tenant_id = $1 AND period < $2"
_SERIES = """
    SELECT metric, rule, state, seen_until FROM aeterna.anomaly_series WHERE tenant_id = $1
"""
_PUT_SERIES = """
    INSERT INTO aeterna.anomaly_series (tenant_id, metric, rule, state, seen_until)
    SELECT $1, s.metric, s.rule, s.state, $5
    FROM unnest($2::text[], $3::jsonb[], $4::jsonb[]) AS s (metric, rule, state)
    ON CONFLICT (tenant_id, metric) DO UPDATE SET rule = excluded.rule, state = excluded.state,
        seen_until = excluded.seen_until
"""
WHOM = "SELECT * FROM aeterna.tenants_with_traffic()"


@dataclass(frozen=True)
class PostgresAnomalies:
    """`AnomalyStore` in PostgreSQL."""

    wakeups: Wakeups

    async def watches(self, route: Route) -> Mapping[Metric, Watch]:
        return _all_watches(await read(route, _WATCHES))

    async def update(
        self, route: Route, asked: Asked, metric: Metric, expected: int, changes: Changes
    ) -> Watch:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is not None:
                return _answered(metric, answer)
            before = _all_watches(await write.conn.fetch(_WATCHES, route.tenant))[metric]
            if expected not in (0, before.version):
                raise DetectorVersionMismatch(expected, before.version)
            watch = await _save(write, asked, _changed(before, changes))
            answers.add(asked.request, _answer(watch))
            answers.save(write)
        self.wakeups.publish(route.tenant)
        return watch

    async def get(self, route: Route, anomaly: UUID) -> Found:
        rows = await read(route, _GET, anomaly)
        if not rows:
            raise AnomalyNotFound(anomaly)
        return _found(rows[0])

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[Found]:
        conditions, values = to_sql(where, 4)
        rows = await read(route, _PAGE.format(where=conditions), before, limit, *values)
        return [_found(row) for row in rows]

    async def traffic(self, route: Route, begin: datetime, end: datetime) -> Sequence[Traffic]:
        return [Traffic(*row) for row in await read(route, _TRAFFIC, begin, end)]

    async def advance(self, route: Route, until: datetime, judge: Judge) -> int:
        if not await self._is_due(route, until):
            return 0
        async with writing(route) as write:
            series = await write.conn.fetch(_SERIES, route.tenant)
            begin = await _begin(write, series, until)
            if begin is None or begin >= until:
                return 0
            rows = await write.conn.fetch(_TRAFFIC, route.tenant, begin, until)
            watches = _all_watches(await write.conn.fetch(_WATCHES, route.tenant))
            states, anomalies = judge(watches, _states(series), _every_period(rows, begin, until))
            for anomaly in anomalies:
                await _raise(write, anomaly)
            _keep(write, states, until)
            write.add(_FORGET, until - _KEPT)
        if anomalies:
            self.wakeups.publish(route.tenant)
        return len(anomalies)

    async def _is_due(self, route: Route, until: datetime) -> bool:
        """Without the tenant's lock: another replica may have been faster, which shows later."""
        seen = [row["seen_until"] for row in await read(route, _SERIES)]
        return not seen or min(seen) < until


def _all_watches(rows: Sequence[asyncpg.Record]) -> dict[Metric, Watch]:
    """Those that are stored, and the usual ones for the rest; a later release may have more."""
    watches = {metric: usual(metric) for metric in Metric}
    for row in rows:
        if row["metric"] in watches:
            metric, rule = Metric(row["metric"]), from_json(json.loads(row["rule"]))
            watches[metric] = Watch(metric, rule, row["muted"], row["version"], row["updated_at"])
    return watches


def _changed(before: Watch, changes: Changes) -> Watch:
    rule = changes.get("rule", before.rule)
    floor = changes.get("floor", before.rule.floor)
    muted = changes.get("muted", before.muted)
    rule = replace(rule, floor=floor)
    return replace(before, rule=rule, muted=muted, version=before.version + 1)


async def _save(write: Write, asked: Asked, watch: Watch) -> Watch:
    now: datetime = await write.conn.fetchval("SELECT clock_timestamp()")
    watch = replace(watch, updated_at=now)
    number = await write.append([Change(watch.name, Operation.UPDATED, asked.origin)])
    rule = json.dumps(to_json(watch.rule))
    write.add(_PUT_WATCH, watch.metric.value, rule, watch.muted, watch.version, number, now)
    return watch


def _answer(watch: Watch) -> dict[str, Any]:
    assert watch.updated_at is not None  # it was just saved
    return {
        "rule": to_json(watch.rule),
        "muted": watch.muted,
        "version": watch.version,
        "updated_at": watch.updated_at.isoformat(),
    }


def _answered(metric: Metric, answer: Mapping[str, Any]) -> Watch:
    updated_at = datetime.fromisoformat(answer["updated_at"])
    rule = from_json(answer["rule"])
    return Watch(metric, rule, answer["muted"], answer["version"], updated_at)


async def _begin(
    write: Write, series: Sequence[asyncpg.Record], until: datetime
) -> datetime | None:
    """The first period to judge; None when there never was any traffic."""
    if series:
        seen: datetime = min(row["seen_until"] for row in series)
        return max(seen, until - PERIOD * _AT_ONCE)
    first: datetime | None = await write.conn.fetchval(_FIRST, write.route.tenant)
    return first


def _every_period(
    rows: Sequence[asyncpg.Record], begin: datetime, until: datetime
) -> list[Traffic]:
    """Those without a row as well: nobody called."""
    known = {row["period"]: Traffic(*row) for row in rows}
    count = (until - begin) // PERIOD
    periods = (begin + PERIOD * place for place in range(count))
    return [known.get(period) or Traffic(period) for period in periods]


def _states(series: Sequence[asyncpg.Record]) -> dict[Metric, Mapping[str, Any]]:
    return {
        Metric(row["metric"]): {"rule": json.loads(row["rule"]), "state": json.loads(row["state"])}
        for row in series
        if row["metric"] in set(Metric)
    }


def _keep(write: Write, states: Mapping[Metric, Mapping[str, Any]], until: datetime) -> None:
    metrics = [metric.value for metric in states]
    rules = [json.dumps(state["rule"]) for state in states.values()]
    known = [json.dumps(state["state"]) for state in states.values()]
    write.add(_PUT_SERIES, metrics, rules, known, until)


async def _raise(write: Write, anomaly: Anomaly) -> None:
    """Keeps it, tells the change log, and raises an alert about it."""
    name, alarm = f"{COLLECTION}/{anomaly.id}", anomaly.alarm
    details = {"metric": anomaly.metric.value, "kind": alarm.kind.value}
    number = await write.append([Change(name, Operation.CREATED, _ORIGIN, details=details)])
    write.add(
        _ADD,
        anomaly.id,
        anomaly.metric.value,
        alarm.kind.value,
        alarm.severity.value,
        alarm.value,
        alarm.expected,
        alarm.score,
        alarm.since,
        anomaly.period,
        json.dumps(to_json(anomaly.rule)),
        number,
    )
    facts: Facts = {
        **details,
        "observed": alarm.value,
        "expected": alarm.expected,
        "score": round(alarm.score, 2),
        "since": alarm.since.isoformat(),
        "period": anomaly.period.isoformat(),
    }
    severity = AlertSeverity(alarm.severity.value)
    await raise_alert(write, Alert(f"anomaly.{anomaly.metric}", severity, name, facts), _ORIGIN)


def _found(row: asyncpg.Record) -> Found:
    alarm = Alarm(
        Kind(row["kind"]),
        Severity(row["severity"]),
        row["value"],
        row["expected"],
        row["score"],
        row["since"],
    )
    metric, rule = Metric(row["metric"]), from_json(json.loads(row["rule"]))
    return Found(Anomaly(row["id"], metric, alarm, row["period"], rule), row["number"])
