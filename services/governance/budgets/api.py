"""gRPC servicer of budgets and reservations: translates, nothing else."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.duration_pb2 import Duration

from aeterna.governance.v1 import budgets_pb2 as pb
from aeterna.governance.v1 import budgets_pb2_grpc as pb_grpc
from libs.aip import storable
from libs.aip.ids import uuid7
from libs.aip.names import resource_id, resource_uuid
from libs.aip.paging import Page
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import caller
from libs.service.convert import asked, enum_from, masked, money_from, money_to, timestamp
from libs.service.pipeline import Context
from libs.tenancy import parse_label
from libs.usage import Attribution, Kind, Use
from libs.usage.budgets import COLLECTION, RESERVATIONS, Release, Reservation, Reserve, Settle
from libs.usage.till import Spending
from services.governance.api import after_label
from services.governance.budgets.domain import (
    CALLS_PER_MINUTE,
    MUTABLE,
    THRESHOLDS,
    Action,
    Budget,
    Period,
    Standing,
)
from services.governance.budgets.store import PostgresBudgets

_PERIODS: dict[int, Period] = {pb.BUDGET_PERIOD_UNSPECIFIED: Period.MONTH}
_PERIODS |= {pb.BudgetPeriod.Value(f"BUDGET_PERIOD_{each.name}"): each for each in Period}
_ACTIONS: dict[int, Action] = {pb.BUDGET_ACTION_UNSPECIFIED: Action.NOTIFY}
_ACTIONS |= {pb.BudgetAction.Value(f"BUDGET_ACTION_{each.name}"): each for each in Action}
_STATES = {
    name: pb.ReservationState.Value(f"RESERVATION_STATE_{name.upper()}")
    for name in ("open", "settled", "released", "expired")
}
_HOUR = 3600
_LONGEST_WINDOW = 366 * 24  # hours
_LEASE, _LONGEST_LEASE = timedelta(seconds=60), timedelta(hours=1)
_LARGEST = Decimal(10) ** 15
_SETTLED = "settled"  # in the books in place of a version of prices: others know the price


class BudgetServicer(pb_grpc.BudgetServiceServicer):
    """`aeterna.governance.v1.BudgetService` over the store and the ledger."""

    def __init__(self, budgets: PostgresBudgets, spending: Spending, keyring: Keyring) -> None:
        self._budgets, self._spending, self._keyring = budgets, spending, keyring

    @property
    def _currency(self) -> str:
        return self._spending.prices.currency

    async def CreateBudget(self, request: pb.CreateBudgetRequest, context: Context) -> pb.Budget:
        current = caller()
        budget = self._budget(parse_label(request.budget_id, "budget_id"), request.budget)
        by = await asked(current, self._keyring, "CreateBudget", request)
        return _budget(await self._budgets.create(current.route, by, budget))

    async def GetBudget(self, request: pb.GetBudgetRequest, context: Context) -> pb.Budget:
        route, budget = caller().route, resource_id(request.name, COLLECTION)
        return _budget(await self._budgets.get(route, budget))

    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        current = caller()
        binding = f"ListBudgets/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._budgets.page(current.route, after_label(page), page.limit)
        shown, token = page.cut(found, lambda each: each.budget.id)
        return pb.ListBudgetsResponse(budgets=map(_budget, shown), next_page_token=token)

    async def UpdateBudget(self, request: pb.UpdateBudgetRequest, context: Context) -> pb.Budget:
        current, given = caller(), request.budget
        name = resource_id(given.name, COLLECTION, "budget.name")
        names = masked(given, list(request.update_mask.paths), MUTABLE)
        values = self._values(given, names)
        by = await asked(current, self._keyring, "UpdateBudget", request)
        changed = await self._budgets.update(current.route, by, name, given.version, values)
        return _budget(changed)

    async def DeleteBudget(
        self, request: pb.DeleteBudgetRequest, context: Context
    ) -> empty_pb2.Empty:
        current, name = caller(), resource_id(request.name, COLLECTION)
        by = await asked(current, self._keyring, "DeleteBudget", request)
        await self._budgets.delete(current.route, by, name, request.version)
        return empty_pb2.Empty()

    async def ReserveBudget(
        self, request: pb.ReserveBudgetRequest, context: Context
    ) -> pb.Reservation:
        current = caller()
        by = await asked(current, self._keyring, "ReserveBudget", request)
        reserve = Reserve(
            self._amount(request.amount, "amount"),
            self._currency,
            _lease(request),
            Attribution(*(_id(request, name) for name in Attribution._fields)),
            _id(request, "model"),
            id=by.request.id if by.request else uuid7(),
        )
        return self._reservation(await self._spending.ledger.submit(current.route, reserve))

    async def SettleReservation(
        self, request: pb.SettleReservationRequest, context: Context
    ) -> pb.Reservation:
        current, name = caller(), resource_uuid(request.name, RESERVATIONS)
        amount = self._amount(request.amount, "amount")
        who, model = await self._budgets.asked_for(current.route, name)
        uses = self._uses(request, amount, who, model)
        settle = Settle(name, amount, uses)
        return self._reservation(await self._spending.ledger.submit(current.route, settle))

    async def ReleaseReservation(
        self, request: pb.ReleaseReservationRequest, context: Context
    ) -> pb.Reservation:
        current, name = caller(), resource_uuid(request.name, RESERVATIONS)
        return self._reservation(await self._spending.ledger.submit(current.route, Release(name)))

    def _budget(self, budget: str, given: pb.Budget) -> Budget:
        period = enum_from(_PERIODS, given.period, "budget.period")
        return Budget(
            id=budget,
            currency=self._currency,
            attribution=Attribution(*(_id(given, name, "budget.") for name in Attribution._fields)),
            model=_id(given, "model", "budget."),
            period=period,
            window_hours=_window(given, period),
            **self._values(given, MUTABLE),
        )

    def _values(self, given: pb.Budget, names: tuple[str, ...]) -> dict[str, Any]:
        """What a budget may change of itself, by the names of the domain."""
        values: dict[str, Any] = {}
        if "limit" in names:
            values["limit"] = self._amount(given.limit, "budget.limit")
            if not values["limit"]:
                raise invalid("budget.limit", "must be more than nothing")
        if "threshold_percents" in names:
            percents = sorted(Decimal(str(each)) for each in given.threshold_percents)
            values["thresholds"] = tuple(percents) or THRESHOLDS
        if "action" in names:
            values["action"] = enum_from(_ACTIONS, given.action, "budget.action")
        if "calls_per_minute" in names:
            values["calls_per_minute"] = given.calls_per_minute or CALLS_PER_MINUTE
        return values

    def _amount(self, message: Any, field: str) -> Decimal:
        amount = money_from(message, self._currency, field)
        if amount > _LARGEST:
            raise invalid(field, f"must not be more than {_LARGEST}")
        return amount

    def _uses(
        self, request: pb.SettleReservationRequest, amount: Decimal, who: Attribution, model: str
    ) -> list[Use]:
        """What goes into the books: the call with its money, and its tokens without."""
        lines = {Kind.EXTERNAL: (1, amount)}
        if request.input_tokens:
            lines[Kind.INPUT_TOKENS] = (request.input_tokens, Decimal(0))
        if request.output_tokens:
            lines[Kind.OUTPUT_TOKENS] = (request.output_tokens, Decimal(0))
        now = self._spending.recorder.now()
        return [
            Use(now, "external", kind, model, who, Decimal(count), cost, self._currency, _SETTLED)
            for kind, (count, cost) in lines.items()
        ]

    def _reservation(self, reservation: Reservation) -> pb.Reservation:
        message = pb.Reservation(
            name=f"{RESERVATIONS}/{reservation.id}",
            state=_STATES[reservation.state],
            amount=money_to(reservation.amount, self._currency),
            budgets=[f"{COLLECTION}/{each}" for each in reservation.budgets],
        )
        if reservation.expires_at:
            message.expire_time.CopyFrom(timestamp(reservation.expires_at))
        if reservation.settled is not None and reservation.state == "settled":
            message.settled.CopyFrom(money_to(reservation.settled, self._currency))
        return message


def _id(message: Any, name: str, path: str = "") -> str:
    value: str = getattr(message, name)
    if not storable(value):
        raise invalid(f"{path}{name}", "must not hold NUL")
    return value


def _window(given: pb.Budget, period: Period) -> int:
    """Whole hours of a rolling budget."""
    if period is not Period.ROLLING:
        if given.HasField("window"):
            raise invalid("budget.window", "is for rolling budgets only")
        return 0
    hours, rest = divmod(given.window.seconds, _HOUR)
    if rest or given.window.nanos or not 1 <= hours <= _LONGEST_WINDOW:
        raise invalid("budget.window", "must be 1 hour to 366 days, in whole hours")
    return hours


def _lease(request: pb.ReserveBudgetRequest) -> timedelta:
    given: Duration = request.lease
    if not request.HasField("lease"):
        return _LEASE
    seconds = given.seconds + given.nanos / 1e9
    if not 1 <= seconds <= _LONGEST_LEASE.total_seconds():
        raise invalid("lease", "must be 1 second to 1 hour")
    return timedelta(seconds=seconds)


def _budget(standing: Standing) -> pb.Budget:
    budget = standing.budget
    message = pb.Budget(
        name=f"{COLLECTION}/{budget.id}",
        **budget.attribution._asdict(),
        model=budget.model,
        period=pb.BudgetPeriod.Value(f"BUDGET_PERIOD_{budget.period.name}"),
        limit=money_to(budget.limit, budget.currency),
        threshold_percents=map(float, budget.thresholds),
        action=pb.BudgetAction.Value(f"BUDGET_ACTION_{budget.action.name}"),
        calls_per_minute=budget.calls_per_minute,
        version=budget.version,
        change_number=budget.number,
        spent=money_to(standing.spent, budget.currency),
        reserved=money_to(standing.held, budget.currency),
        period_start_time=timestamp(standing.since),
        reached_percent=float(standing.reached),
        create_time=timestamp(standing.created_at),
        update_time=timestamp(standing.updated_at),
    )
    if budget.window_hours:
        message.window.FromSeconds(budget.window_hours * _HOUR)
    return message
