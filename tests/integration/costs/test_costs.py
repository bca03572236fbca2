"""What was used, added up and foreseen, through the RPCs."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aeterna.governance.v1 import costs_pb2 as pb
from aeterna.memory.v1 import memory_pb2
from libs.auth import Role
from libs.spine import read, writing
from libs.tenancy import Route
from libs.usage import Attribution, Kind, Use
from libs.usage.prices import BUILT_IN
from libs.usage.recorder import UsageRecorder, add_to
from libs.usage.sampling import StorageSampler
from services.governance.costs.store import Rollup
from tests.errors import fails_with
from tests.eventually import eventually
from tests.integration.costs.support import MODEL, TOKEN, Spender, amount
from tests.suite import Suite

KIND, MODEL_, PROJECT = (
    pb.COST_DIMENSION_KIND,
    pb.COST_DIMENSION_MODEL,
    pb.COST_DIMENSION_PROJECT,
)
TOKENS = 'kind = "embedding_tokens"'


async def test_what_is_embedded_is_told_by_project_and_model(acme: Spender) -> None:
    await acme.remember("one two three", project="shop")
    await acme.remember("one two", project="blog")
    await acme.remember("four five six seven", project="shop")

    async def counted() -> bool:
        return sum(each.records for each in await acme.costs(filter=TOKENS)) >= 2

    await eventually(counted)

    async def complete() -> bool:
        found = await acme.costs(group_by=[KIND], filter=TOKENS)
        return [each.quantity for each in found] == ["9"]

    await eventually(complete)
    found = await acme.costs(group_by=[PROJECT, MODEL_], filter=TOKENS)
    assert [(each.project_id, each.model) for each in found] == [("blog", MODEL), ("shop", MODEL)]
    assert [amount(each.cost) for each in found] == [2 * TOKEN, 7 * TOKEN]
    request = pb.ListTopConsumersRequest(dimension=PROJECT, filter=TOKENS)
    top = await acme.suite.costs.ListTopConsumers(request, metadata=acme.metadata)
    assert [each.project_id for each in top.consumers] == ["shop", "blog"]


async def test_calls_are_counted_and_so_is_what_is_stored(acme: Spender, paying: Suite) -> None:
    for _ in range(5):
        request = memory_pb2.ListMemoriesRequest()
        await paying.memory.ListMemories(request, metadata=acme.metadata)

    async def counted() -> bool:
        found = await acme.costs(filter='service = "memory" AND kind = "requests"', group_by=[KIND])
        return [each.quantity for each in found] == ["5"]

    await eventually(counted)


async def test_storage_is_measured_once_an_hour(route: Route) -> None:
    async def measure(route: Route) -> dict[Kind, int]:
        return {Kind.VECTOR_HOURS: 7, Kind.BYTE_HOURS: 1000}

    recorder = UsageRecorder(BUILT_IN, None)  # type: ignore[arg-type]  # writes nothing here
    sampler = StorageSampler("memory", measure, recorder)

    await asyncio.gather(*(sampler(route) for _ in range(5)))

    rows = await read(route, "SELECT kind, quantity FROM aeterna.usage_event WHERE tenant_id = $1")
    assert {row["kind"]: row["quantity"] for row in rows} == {"vector_hours": 7, "byte_hours": 1000}


async def test_what_has_no_price_is_said(suite: Suite, route: Route) -> None:
    async with writing(route) as write:
        await add_to(write, [_use(datetime.now(UTC), "12", None)])
    acme = Spender(suite, suite.auth("acme"))

    (cost,) = await acme.costs(group_by=[KIND], filter=TOKENS)
    request = pb.ForecastCostsRequest()
    forecast = await suite.costs.ForecastCosts(request, metadata=acme.metadata)

    assert (cost.quantity, cost.unpriced_quantity, amount(cost.cost)) == ("12", "12", 0)
    assert forecast.unpriced_quantity == "12"


async def test_events_become_hours_exactly_once(route: Route) -> None:
    begin = datetime(2026, 3, 1, 10, tzinfo=UTC)
    rollup = Rollup(timedelta(days=36500))
    for batch in range(4):
        uses = [_use(begin + timedelta(minutes=15 * n), "1", "0.5") for n in range(8)]
        async with writing(route) as write:
            await add_to(write, uses)
        await asyncio.gather(*(rollup(route) for _ in range(batch)))
    await asyncio.gather(*(rollup(route) for _ in range(3)))

    rows = await read(route, "SELECT * FROM aeterna.usage_hour WHERE tenant_id = $1")
    assert sorted(
        (row["hour"].hour, row["quantity"], row["amount"], row["events"]) for row in rows
    ) == [
        (10, 16, 8, 16),
        (11, 16, 8, 16),
    ]


async def test_old_events_are_forgotten_once_they_are_in_an_hour(route: Route) -> None:
    old, new = datetime(2026, 3, 1, tzinfo=UTC), datetime.now(UTC)
    async with writing(route) as write:
        await add_to(write, [_use(old, "1", "1"), _use(new, "1", "1")])

    await Rollup(timedelta(days=30))(route)

    events = await read(route, "SELECT used_at FROM aeterna.usage_event WHERE tenant_id = $1")
    hours = await read(route, "SELECT hour FROM aeterna.usage_hour WHERE tenant_id = $1")
    assert [row["used_at"] for row in events] == [new]
    assert len(hours) == 2


async def test_costs_by_the_day_and_page_by_page(suite: Suite, route: Route) -> None:
    acme = Spender(suite, suite.auth("acme"))
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    uses = [_use(begin + timedelta(hours=8 * n), "1", "0.25") for n in range(30)]
    async with writing(route) as write:
        await add_to(write, uses)
    request = pb.QueryCostsRequest(interval=pb.COST_INTERVAL_DAY, page_size=4)
    request.start_time.FromDatetime(begin)
    request.end_time.FromDatetime(begin + timedelta(days=9, hours=12))

    found: list[pb.Cost] = []
    while True:
        page = await suite.costs.QueryCosts(request, metadata=acme.metadata)
        found += page.costs
        request.page_token = page.next_page_token
        if not request.page_token:
            break

    days = [each.start_time.ToDatetime().day for each in found]
    assert days == list(range(1, 11))
    assert [amount(each.cost) for each in found] == [Decimal("0.75")] * 9 + [Decimal("0.5")]
    request.interval, request.page_token = pb.COST_INTERVAL_HOUR, "x"
    with fails_with("INVALID_REQUEST", "page_token"):
        await suite.costs.QueryCosts(request, metadata=acme.metadata)


async def test_a_forecast_needs_some_days(suite: Suite, route: Route) -> None:
    acme, ask = Spender(suite, suite.auth("acme")), pb.ForecastCostsRequest()
    first = await suite.costs.ForecastCosts(ask, metadata=acme.metadata)
    assert first.method == pb.FORECAST_METHOD_TOO_LITTLE_DATA
    assert not first.HasField("expected")
    now = datetime.now(UTC)
    async with writing(route) as write:
        await add_to(write, [_use(now - timedelta(days=n), "1", "2") for n in range(1, 31)])

    later = await suite.costs.ForecastCosts(ask, metadata=acme.metadata)

    assert (later.method, later.days) == (pb.FORECAST_METHOD_DAY_OF_WEEK, 30)
    assert amount(later.low) <= amount(later.expected) <= amount(later.high)
    assert amount(later.expected) >= amount(later.spent)


async def test_prices_are_shown_and_costs_are_not_for_everybody(suite: Suite) -> None:
    await suite.create_tenant("acme")
    metadata = suite.auth("acme")
    prices = await suite.costs.ListPrices(pb.ListPricesRequest(), metadata=metadata)
    assert prices.currency_code == "USD"
    assert prices.current_version == prices.versions[-1].version
    assert {each.model for each in prices.versions[-1].models} >= {MODEL, "gpt-4.1-mini"}
    viewer = suite.auth("acme", "vic", (Role.VIEWER,))
    with fails_with("PERMISSION_DENIED"):
        await suite.costs.QueryCosts(pb.QueryCostsRequest(), metadata=viewer)


def _use(at: datetime, quantity: str, cost: str | None) -> Use:
    money = None if cost is None else Decimal(cost)
    kind, who = Kind.EMBEDDING_TOKENS, Attribution("o", "t", "p")
    return Use(at, "memory", kind, MODEL, who, Decimal(quantity), money, "USD", "v")
