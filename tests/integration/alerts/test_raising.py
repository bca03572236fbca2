"""Raising an alert: one write with what gave rise to it, told by the change log."""

import json

import pytest

from libs.alerts import Alert, Severity, raise_alert
from libs.changes import Origin
from libs.spine import read, writing
from libs.spine.changes import changes_since
from libs.tenancy import Route
from tests.databases import Database

ORIGIN = Origin("service:governance", "ab" * 16)
_ALERTS = "SELECT * FROM aeterna.alert WHERE tenant_id = $1"


async def test_an_alert_is_kept_and_told_by_the_change_log(route: Route) -> None:
    alert = Alert("anomaly.cost", Severity.HIGH, "tenants/acme", {"score": 4.5, "unit": "USD"})

    async with writing(route) as write:
        number = await raise_alert(write, alert, ORIGIN)

    (row,) = await read(route, _ALERTS)
    (change,), head = await changes_since(route, 0, 10)
    assert (row["id"], row["number"]) == (alert.id, number)
    assert (row["kind"], row["severity"]) == ("anomaly.cost", "high")
    assert json.loads(row["facts"]) == {"score": 4.5, "unit": "USD"}
    assert (change.resource, change.operation) == (f"alerts/{alert.id}", "recorded")
    assert (change.event, change.actor, change.trace_id) == ("anomaly.cost", *_who(ORIGIN))
    assert head == number


def _who(origin: Origin) -> tuple[str, str]:
    return origin.actor, origin.trace_id


async def test_an_alert_of_a_write_that_fails_was_never_raised(route: Route) -> None:
    async def fail() -> None:
        async with writing(route) as write:
            await raise_alert(write, Alert("anomaly.cost", Severity.LOW), ORIGIN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await read(route, _ALERTS) == []


async def test_alerts_are_forgotten_after_ninety_days(route: Route, database: Database) -> None:
    alerts = [Alert("anomaly.cost", Severity.LOW) for _ in range(3)]
    async with writing(route) as write:
        for alert in alerts[:2]:
            await raise_alert(write, alert, ORIGIN)
    async with database.connect() as superuser:
        await superuser.execute(
            "UPDATE aeterna.alert SET raised_at = raised_at - interval '91 days' WHERE id = $1",
            alerts[0].id,
        )

    async with writing(route) as write:
        await raise_alert(write, alerts[2], ORIGIN)

    assert {row["id"] for row in await read(route, _ALERTS)} == {each.id for each in alerts[1:]}


@pytest.mark.parametrize("kind", ["", "Budget", "a b", "budget.", ".x"])
def test_a_kind_is_words_joined_by_dots(kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        Alert(kind, Severity.INFO)
