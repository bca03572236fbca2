"""What is refused about spending, and why."""

from datetime import timedelta
from uuid import UUID

from libs.errors import AppError, Kind


class SpendingRefused(AppError):
    """A tenant's own budget keeps a call from being made: nobody was asked, nothing was spent."""

    kind = Kind.EXHAUSTED


class BudgetExceeded(SpendingRefused):
    """The call could cost more than a budget has left."""

    reason = "BUDGET_EXCEEDED"
    retry_after = timedelta(seconds=60)

    def __init__(self, budget: str, limit: str, spent: str, held: str) -> None:
        super().__init__(
            f"budgets/{budget} does not allow this: of {limit}, {spent} is spent and {held} is"
            " reserved.",
            budget=f"budgets/{budget}",
            limit=limit,
            spent=spent,
            held=held,
        )


class BudgetThrottled(SpendingRefused):
    """The budget is spent, and lets few calls through."""

    reason = "BUDGET_THROTTLED"

    def __init__(self, budget: str, wait: timedelta) -> None:
        name = f"budgets/{budget}"
        super().__init__(f"{name} is spent: few calls are let through.", budget=name)
        self.retry_after = wait


class PriceUnknown(SpendingRefused):
    """A budget blocks, and nobody knows what the call costs."""

    kind, reason = Kind.PRECONDITION, "PRICE_UNKNOWN"

    def __init__(self, budget: str, model: str) -> None:
        name = f"budgets/{budget}"
        super().__init__(
            f"{name} does not allow calls whose price is unknown: {model} is in no price table.",
            budget=name,
            model=model,
        )


class ReservationNotFound(AppError):
    """There is no such reservation, or it ended more than a day ago."""

    kind, reason = Kind.NOT_FOUND, "RESERVATION_NOT_FOUND"

    def __init__(self, reservation: UUID) -> None:
        name = f"reservations/{reservation}"
        super().__init__(f"There is no {name}.", reservation=name)


class ReservationEnded(AppError):
    """It was settled with another amount, or released."""

    kind, reason = Kind.PRECONDITION, "RESERVATION_ENDED"

    def __init__(self, reservation: UUID, state: str) -> None:
        name = f"reservations/{reservation}"
        super().__init__(f"{name} is {state} already.", reservation=name, state=state)


class ReservationExpired(AppError):
    """Its lease is over, and others have what it held."""

    kind, reason = Kind.PRECONDITION, "RESERVATION_EXPIRED"

    def __init__(self, reservation: UUID) -> None:
        name = f"reservations/{reservation}"
        super().__init__(f"The lease of {name} is over; the budget is spent.", reservation=name)


class SettlementAboveReservation(AppError):
    """More is to be settled than was reserved."""

    kind, reason = Kind.PRECONDITION, "SETTLEMENT_ABOVE_RESERVATION"

    def __init__(self, reservation: UUID, reserved: str) -> None:
        name = f"reservations/{reservation}"
        super().__init__(
            f"{name} is of {reserved}: no more can be settled.",
            reservation=name,
            reserved=reserved,
        )
