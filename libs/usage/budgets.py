"""Reserving money before it is spent, settling what was spent, releasing what was not.

The truth is in the tenant's shard: one function decides a group of requests under the tenant's
lock, in one round trip, so that any number of processes together never spend more than a budget
allows. Requests of one process that wait at the same time share a group. A reservation is a lease:
what a process that died had reserved is free again when it ends.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.aip.ids import uuid7
from libs.errors import AppError
from libs.metrics import BUDGET_DECISIONS, BUDGET_SECONDS
from libs.postgres import lend, store_errors
from libs.spine import refusals
from libs.spine.group import GroupCommit
from libs.spine.requests import RequestIdReused
from libs.tenancy import Route
from libs.usage import NOBODY, Attribution, Use
from libs.usage.errors import (
    BudgetExceeded,
    BudgetThrottled,
    PriceUnknown,
    ReservationEnded,
    ReservationExpired,
    ReservationNotFound,
    SettlementAboveReservation,
)
from libs.usage.recorder import ORIGIN
from libs.wakeups import Wakeups

COLLECTION, RESERVATIONS = "budgets", "reservations"
_GROUP = 256  # requests that are decided together
# Committed without waiting for the disk or a standby, so that the tenant's lock is free again at
# once; the write after it waits, for everything before it as well. Who decides meanwhile by what
# was decided is answered later still.
_APPLY = """
    SELECT aeterna.apply_budgets($1, $2, $3::jsonb, $4, $5)
    FROM set_config('synchronous_commit', 'off', true)
"""
_FLUSH = "SELECT pg_logical_emit_message(true, 'aeterna', '')"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Asks for money. `amount`: at most so much will be spent; None: the price is not known."""

    amount: Decimal | None
    currency: str
    lease: timedelta
    attribution: Attribution = NOBODY
    model: str = ""
    id: UUID = field(default_factory=uuid7)

    def fields(self) -> dict[str, Any]:
        return {
            "op": "reserve",
            "id": str(self.id),
            "amount": None if self.amount is None else f"{self.amount:f}",
            "currency": self.currency,
            "seconds": self.lease.total_seconds(),
            "model": self.model,
            **self.attribution._asdict(),
        }


@dataclass(frozen=True, slots=True)
class Settle:
    """Tells what was spent."""

    id: UUID
    amount: Decimal
    uses: Sequence[Use] = ()

    def fields(self) -> dict[str, Any]:
        uses = [dict(use.fields()) for use in self.uses]
        return {"op": "settle", "id": str(self.id), "amount": f"{self.amount:f}", "usage": uses}


@dataclass(frozen=True, slots=True)
class Release:
    """Gives back what was not spent."""

    id: UUID

    def fields(self) -> dict[str, Any]:
        return {"op": "release", "id": str(self.id)}


@dataclass(frozen=True, slots=True)
class Adjust:
    """Changes an allotment, which one process divides among its calls; begins it if it is new.

    Attributes:
        spent: What was spent of it since the last time, with `uses`.
        back: What is not needed any more.
        needs: What calls need beside what it holds; each is granted or not.
        extra: What it would like to have more, while there is plenty.
        turn: The same when it is tried again, else greater than before.
    """

    id: UUID
    turn: int
    attribution: Attribution
    model: str
    currency: str
    lease: timedelta
    spent: Decimal = Decimal(0)
    uses: Sequence[Use] = ()
    back: Decimal = Decimal(0)
    needs: Sequence[Decimal] = ()
    extra: Decimal = Decimal(0)

    def fields(self) -> dict[str, Any]:
        return {
            "op": "adjust",
            "id": str(self.id),
            "turn": self.turn,
            "amount": f"{self.spent:f}",
            "usage": [dict(use.fields()) for use in self.uses],
            "back": f"{self.back:f}",
            "needs": [f"{need:f}" for need in self.needs],
            "extra": f"{self.extra:f}",
            "currency": self.currency,
            "seconds": self.lease.total_seconds(),
            "model": self.model,
            **self.attribution._asdict(),
        }


Command = Reserve | Settle | Release | Adjust


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money that is put aside until `expires_at`.

    Attributes:
        budgets: Their ids; none: nothing limits this, and nothing is put aside.
        settled: What was spent of it, once that is known.
        grants: Of an allotment: which needs were met.
        extra: Of an allotment: what it got beside them.
        scarce: Of an allotment: whether nothing is to be kept in stock.
        refusal: Of an allotment: why a need was not met.
    """

    id: UUID
    state: str
    amount: Decimal
    budgets: Sequence[str] = ()
    expires_at: datetime | None = None
    settled: Decimal | None = None
    grants: Sequence[bool] = ()
    extra: Decimal = Decimal(0)
    scarce: bool = False
    refusal: AppError | None = None


class Ledger:
    """Decides what may be spent, in groups."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._group = GroupCommit[Command, Reservation](self._decide, limit=_GROUP)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._group.close()

    async def submit(self, route: Route, command: Command) -> Reservation:
        """The reservation, once what was asked for is durable; a repeat gets the same answer.

        Raises:
            BudgetExceeded, BudgetThrottled, PriceUnknown, ReservationNotFound, ReservationEnded,
            ReservationExpired, SettlementAboveReservation, RequestIdReused: As they say.
            TenantMoved, TenantSuspended, StoreUnavailable: The shard refuses, or is away.
        """
        begun = time.perf_counter()
        name = type(command).__name__.lower()
        try:
            reservation = await self._group.submit(route, command)
        except AppError as error:
            BUDGET_DECISIONS.labels(name, error.reason).inc()
            raise
        finally:
            BUDGET_SECONDS.labels(name).observe(time.perf_counter() - begun)
        BUDGET_DECISIONS.labels(name, "OK").inc()
        return reservation

    async def _decide(
        self, route: Route, commands: Sequence[Command]
    ) -> Sequence[Reservation | AppError]:
        """Those that are about one reservation are decided one after another."""
        outcomes: list[Reservation | AppError | None] = [None] * len(commands)
        left = list(range(len(commands)))
        while left:
            first = {commands[place].id: place for place in reversed(left)}
            places = sorted(first.values())
            answers = await applied(route, [commands[place] for place in places])
            for place, answer in zip(places, answers, strict=True):
                outcomes[place] = _outcome(commands[place], answer)
            left = [place for place in left if outcomes[place] is None]
        self._wakeups.publish(route.tenant)
        return [each for each in outcomes if each is not None]


async def applied(route: Route, commands: Sequence[Command]) -> list[Mapping[str, Any]]:
    """One statement, and so one transaction, which begins with the tenant's lock; durable when
    this returns."""
    given = json.dumps([command.fields() for command in commands])
    with store_errors(), refusals(route):
        async with lend(route.pool) as conn:
            told: str = await conn.fetchval(
                _APPLY, route.tenant, route.epoch, given, ORIGIN.actor, ORIGIN.trace_id
            )
            await conn.execute(_FLUSH)
    answers: list[Mapping[str, Any]] = json.loads(told)
    return answers


def _outcome(command: Command, answer: Mapping[str, Any]) -> Reservation | AppError:
    if isinstance(command, Adjust):
        return _allotment(command, answer)
    if "refused" in answer:
        return _refusal(command, answer)
    expires, settled = answer.get("expires_at"), answer.get("settled")
    return Reservation(
        command.id,
        answer["state"],
        Decimal(answer["amount"] or 0),
        answer.get("budgets") or (),
        datetime.fromisoformat(expires) if expires else None,
        None if settled is None else Decimal(settled),
    )


def _allotment(command: Adjust, answer: Mapping[str, Any]) -> Reservation:
    return Reservation(
        command.id,
        answer["state"],
        Decimal(answer["amount"]),
        answer["budgets"],
        grants=answer["grants"],
        extra=Decimal(answer["extra"]),
        scarce=answer["scarce"],
        refusal=_refusal(command, answer) if "refused" in answer else None,
    )


def _refusal(command: Command, answer: Mapping[str, Any]) -> AppError:
    budget = answer.get("budget", "")
    match answer["refused"]:
        case "BUDGET_EXCEEDED":
            return BudgetExceeded(budget, answer["limit"], answer["spent"], answer["held"])
        case "BUDGET_THROTTLED":
            return BudgetThrottled(budget, timedelta(seconds=float(answer["seconds"])))
        case "PRICE_UNKNOWN":
            return PriceUnknown(budget, command.model if isinstance(command, Reserve) else "")
        case "REQUEST_ID_REUSED":
            return RequestIdReused(command.id)
        case "RESERVATION_ENDED":
            return ReservationEnded(command.id, answer["state"])
        case "RESERVATION_EXPIRED":
            return ReservationExpired(command.id)
        case "SETTLEMENT_ABOVE_RESERVATION":
            return SettlementAboveReservation(command.id, answer["reserved"])
        case _:
            return ReservationNotFound(command.id)
