"""Usage is written in batches, and not lost when a process stops."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from libs.spine import read
from libs.tenancy import Route, TenantId
from libs.tenancy.directory import open_directory
from libs.usage import Kind
from libs.usage.prices import BUILT_IN
from libs.usage.recorder import open_usage
from tests.databases import Database

_EVENTS = "SELECT service, kind, quantity, amount FROM aeterna.usage_event WHERE tenant_id = $1"


async def test_what_is_left_at_the_end_is_written(database: Database, route: Route) -> None:
    async with (
        open_directory(database.settings()) as directory,
        open_usage(BUILT_IN, directory) as recorder,
    ):
        for _ in range(1000):
            recorder.request(route.tenant, "memory")
        model = "text-embedding-3-small"
        for _ in range(3):
            use = recorder.use("memory", Kind.EMBEDDING_TOKENS, model, Decimal(7))
            recorder.add(route.tenant, [use])
        unknown = recorder.use("memory", Kind.EMBEDDING_TOKENS, "another", Decimal(7))
        recorder.add(route.tenant, [unknown])
        recorder.request(TenantId("nobody"), "memory")

    rows = {(row["kind"], row["quantity"], row["amount"]) for row in await read(route, _EVENTS)}
    assert rows == {
        ("requests", 1000, 0),
        ("embedding_tokens", 21, Decimal("0.00000042")),
        ("embedding_tokens", 7, None),
    }


async def test_hours_are_told_apart(database: Database, route: Route) -> None:
    async with (
        open_directory(database.settings()) as directory,
        open_usage(BUILT_IN, directory) as recorder,
    ):
        for hour in (1, 1, 2):
            at = datetime(2026, 5, 1, hour, 30, tzinfo=UTC)
            use = recorder.use("memory", Kind.EMBEDDING_TOKENS, "m", Decimal(1))
            recorder.add(route.tenant, [replace(use, at=at)])

    assert sorted(row["quantity"] for row in await read(route, _EVENTS)) == [1, 2]
