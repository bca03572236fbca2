"""gRPC servicer of costs: translates, nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.governance.v1 import costs_pb2 as pb
from aeterna.governance.v1 import costs_pb2_grpc as pb_grpc
from libs.aip.filtering import Comparison, Field, parse
from libs.aip.filtering import Kind as FieldKind
from libs.aip.paging import Page
from libs.errors import invalid
from libs.service.caller import caller
from libs.service.convert import moment, money_to, timestamp
from libs.service.pipeline import Context
from libs.tenancy import Route
from libs.usage.prices import PriceTable, Version
from services.governance.costs.domain import LONGEST, forecast, month_start
from services.governance.costs.store import DIMENSIONS, Asked, Day, PostgresCosts

_FILTER = {name: Field(name, FieldKind.TEXT) for name in DIMENSIONS}
_NAMES = {
    pb.CostDimension.Value(f"COST_DIMENSION_{name.removesuffix('_id').upper()}"): name
    for name in DIMENSIONS
}
_UNITS = {
    pb.COST_INTERVAL_UNSPECIFIED: "",
    pb.COST_INTERVAL_HOUR: "hour",
    pb.COST_INTERVAL_DAY: "day",
    pb.COST_INTERVAL_MONTH: "month",
}
_HOUR = timedelta(hours=1)
_TOP = 10


class CostServicer(pb_grpc.CostServiceServicer):
    """`aeterna.governance.v1.CostService` over the store."""

    def __init__(
        self, costs: PostgresCosts, prices: PriceTable, now: Callable[[], datetime]
    ) -> None:
        self._costs, self._prices, self._now = costs, prices, now

    async def QueryCosts(
        self, request: pb.QueryCostsRequest, context: Context
    ) -> pb.QueryCostsResponse:
        current = caller()
        asked, unit = self._asked(request), _UNITS[request.interval]
        names = [_NAMES[each] for each in request.group_by]
        times = f"{request.start_time.ToJsonString()}/{request.end_time.ToJsonString()}"
        what = f"{times}/{unit}/{','.join(names)}/{request.filter}"
        page = Page.asked(
            request.page_size, request.page_token, binding=f"QueryCosts/{current.tenant}/{what}"
        )
        offset = page.after_number()
        if offset < 0:
            raise invalid("page_token", "must come from an answer to the same request")
        rows = await self._costs.sums(current.route, asked, unit, names, page.limit, offset)
        numbered = list(enumerate(rows, start=offset + 1))
        shown, token = page.cut(numbered, lambda each: each[0])
        costs = [_cost(row, names) for _, row in shown]
        return pb.QueryCostsResponse(costs=costs, next_page_token=token)

    async def ListTopConsumers(
        self, request: pb.ListTopConsumersRequest, context: Context
    ) -> pb.ListTopConsumersResponse:
        current, name = caller(), _NAMES[request.dimension]
        asked = self._asked(request)
        rows = await self._costs.top(current.route, asked, name, request.limit or _TOP)
        return pb.ListTopConsumersResponse(consumers=[_cost(row, [name]) for row in rows])

    async def ForecastCosts(
        self, request: pb.ForecastCostsRequest, context: Context
    ) -> pb.ForecastCostsResponse:
        route, where = caller().route, parse(request.filter, _FILTER)
        return await self._forecast(route, where, self._now())

    async def ListPrices(
        self, request: pb.ListPricesRequest, context: Context
    ) -> pb.ListPricesResponse:
        current = self._prices.at(self._now())
        return pb.ListPricesResponse(
            currency_code=self._prices.currency,
            versions=map(_version, self._prices.versions),
            current_version=current.version if current else "",
        )

    async def _forecast(
        self, route: Route, where: list[Comparison], now: datetime
    ) -> pb.ForecastCostsResponse:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        start, currency = month_start(now), self._prices.currency
        since = min(start, today - timedelta(days=LONGEST))
        days = await self._costs.days(route, Asked(since, now + _HOUR, where), currency)
        month = [each for each in days if each.day >= start.date()]
        spent = sum((each.amount for each in month), Decimal(0))
        found = forecast(_history(days, today), spent, now)
        message = pb.ForecastCostsResponse(
            month_start_time=timestamp(start),
            spent=money_to(spent, currency),
            method=pb.ForecastMethod.Value(f"FORECAST_METHOD_{found.method.name}"),
            days=found.days,
            unpriced_quantity=_number(sum((each.unpriced for each in month), Decimal(0))),
        )
        for name in ("expected", "low", "high"):
            if (amount := getattr(found, name)) is not None:
                getattr(message, name).CopyFrom(money_to(amount, currency))
        return message

    def _asked(self, request: Any) -> Asked:
        now = self._now()
        since = _time(request, "start_time") or month_start(now)
        until = _time(request, "end_time") or now
        since = since.replace(minute=0, second=0, microsecond=0)
        whole = until.replace(minute=0, second=0, microsecond=0)
        until = until if until == whole else _later(whole)
        if until < since:
            raise invalid("end_time", "must not be before start_time")
        return Asked(since, until, parse(request.filter, _FILTER))


def _time(request: Any, name: str) -> datetime | None:
    value: Timestamp = getattr(request, name)
    return moment(value, name) if request.HasField(name) else None


def _later(whole: datetime) -> datetime:
    try:
        return whole + _HOUR
    except OverflowError:
        return whole


def _history(days: list[Day], today: datetime) -> list[tuple[Any, Decimal]]:
    """Whole days from the first on which something was used; the others cost nothing."""
    known = {each.day: each.amount for each in days if each.day < today.date()}
    if not known:
        return []
    day, history = min(known), []
    while day < today.date():
        history.append((day, known.get(day, Decimal(0))))
        day += timedelta(days=1)
    return history


def _cost(row: Any, names: list[str]) -> pb.Cost:
    return pb.Cost(
        start_time=timestamp(row["start"]),
        **{name: row[name] for name in names},
        cost=money_to(row["amount"], row["currency"]),
        quantity=_number(row["quantity"]) if "kind" in names else "",
        unpriced_quantity=_number(row["unpriced"]),
        records=row["records"],
    )


def _number(value: Decimal) -> str:
    """As a decimal number without needless zeros; "" for nothing."""
    return f"{value.normalize():f}" if value else ""


def _price(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _version(version: Version) -> pb.PriceVersion:
    return pb.PriceVersion(
        version=version.version,
        effective_time=timestamp(version.effective),
        models=[
            pb.ModelPrice(model=model, input=_price(price.input), output=_price(price.output))
            for model, price in sorted(version.models.items())
        ],
        gigabyte_month=_price(version.gigabyte_month),
        million_vectors_month=_price(version.million_vectors_month),
        million_requests=_price(version.million_requests),
    )
