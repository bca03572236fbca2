"""`aeterna cost`, `budget`, `webhook` and `alerts` against a real server."""

from tests.integration.cli.conftest import Folder


def test_a_budget_is_created_changed_and_deleted(served: Folder) -> None:
    made = served.json(
        "budget", "create", "llm", "--limit", "2.5", "--model", "m", "--action", "block"
    )
    served.run("budget", "create", "day", "--limit", "1", "--period", "rolling", "--window", "24h")
    changed = served.json("budget", "update", "llm", "--limit", "3", "--threshold", "50")
    listed = served.run("budget", "list")
    wrong = served.run("budget", "create", "none", "--limit", "much")

    assert (made["name"], made["limit"]["nanos"]) == ("budgets/llm", 500_000_000)
    assert (changed["limit"], changed["version"]) == ({"currencyCode": "USD", "units": "3"}, "2")
    assert changed["thresholdPercents"] == [50.0]
    assert "model=m" in listed.out
    assert "3.00 USD" in listed.out
    assert served.json("budget", "show", "day")["window"] == "86400s"
    assert wrong.code == 2
    assert "limit" in wrong.err
    for label in ("llm", "day"):
        assert served.run("budget", "delete", label).code == 0
    assert served.json("budget", "list") == []


def test_costs_are_shown(served: Folder) -> None:
    served.run("memory", "list")
    assert served.json("cost", "prices")["currencyCode"] == "USD"
    assert served.json("cost", "forecast")["method"] == "FORECAST_METHOD_TOO_LITTLE_DATA"
    for command in (("show",), ("history", "--interval", "hour"), ("top", "service")):
        assert served.run("cost", *command).code == 0
    wrong = served.run("cost", "history", "--since", "yesterday")
    assert wrong.code == 2
    assert "since" in wrong.err


def test_a_webhook_is_created_tested_and_deleted(served: Folder) -> None:
    made = served.json("webhook", "create", "ops", "http://127.0.0.1:9/none", "--kind", "budget")
    sent = served.json("webhook", "test", "ops")
    disabled = served.json("webhook", "update", "ops", "--disable")
    refused = served.run("webhook", "create", "bad", "https://10.0.0.1/")

    assert made["secret"].startswith("whsec_")
    assert sent["webhook"] == "webhooks/ops"
    assert disabled["disabled"]
    assert refused.code == 2
    assert [each["name"] for each in served.json("webhook", "deliveries")] == [sent["name"]]
    assert [each["kind"] for each in served.json("alerts")] == ["webhook.test"]
    assert served.run("webhook", "redeliver", sent["name"]).code == 0
    assert served.run("webhook", "delete", "ops").code == 0
    assert served.json("webhook", "list") == []
